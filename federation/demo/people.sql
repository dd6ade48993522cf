-- Who lives in the demo's world, and what each system has come to know of them: records with the mess of life.
-- {people}, {seed}, {as_of} and {data} (the folder of word lists) are filled in. Chance is a hash: same seed, same world.

create macro chance(who, what) as (hash(who, what, {seed}) % 1000000) / 1000000.0;
create macro pick(who, what, n) as (hash(who, what, {seed}) % n)::int;
create macro ago(who, what, days) as date_trunc('second', timestamp '{as_of}' - interval 1 second * (chance(who, what) * days * 86400)::int);
create macro ascii(word) as strip_accents(replace(replace(replace(replace(lower(word), 'ä', 'ae'), 'ö', 'oe'), 'ü', 'ue'), 'ß', 'ss'));

-- A slip of the finger: a letter lost, two swapped, or one doubled.
create macro slip(word, who) as case when length(word) < 4 then word else case pick(who, 'slip', 3)
    when 0 then word[:2 + pick(who, 'at', length(word) - 2)] || word[4 + pick(who, 'at', length(word) - 2):]
    when 1 then word[:1 + pick(who, 'at', length(word) - 2)] || word[3 + pick(who, 'at', length(word) - 2)]
             || word[2 + pick(who, 'at', length(word) - 2)] || word[4 + pick(who, 'at', length(word) - 2):]
    else word[:2 + pick(who, 'at', length(word) - 2)] || word[2 + pick(who, 'at', length(word) - 2):] end end;

-- One number as different people write it: area code without its 0, and the rest.
create macro written_phone(area, rest, who) as case pick(who, 'phone form', 6)
    when 0 then '+49' || area || rest
    when 1 then '+49 ' || area || ' ' || rest
    when 2 then '0' || area || '/' || rest
    when 3 then '0049' || area || rest
    when 4 then '(0' || area || ') ' || rest[:3] || ' ' || rest[4:]
    else '0' || area || ' ' || rest end;

create table first_names as select row_number() over () - 1 as i, * from read_csv('{data}/first_names.csv');
create table last_names as select row_number() over () - 1 as i, * from read_csv('{data}/last_names.csv');
create table streets as select row_number() over () - 1 as i, * from read_csv('{data}/streets.csv');
create table products as select row_number() over () as product_id, * from read_csv('{data}/products.csv', types = {{'price': 'DECIMAL(10,2)'}});
create table subjects as select row_number() over () - 1 as i, * from read_csv('{data}/subjects.csv');
create table cities as
select row_number() over () - 1 as i, c.* exclude (weight)
from read_csv('{data}/cities.csv', types = {{'postal_prefix': 'VARCHAR', 'area_code': 'VARCHAR'}}) c, range(c.weight);

set variable first_names = (select count(*) from first_names);
set variable last_names = (select count(*) from last_names);
set variable streets = (select count(*) from streets);
set variable cities = (select count(*) from cities);
set variable products = (select count(*) from products);
set variable subjects = (select count(*) from subjects);

-- A third of the people live with the person before them, and share address, land line and family name. Nobody's address is real.
create table person as
with drawn as (
    select pid, case when chance(pid, 'shares') < 0.35 then pid - 1 - pid % 2 else pid end as household,
           pick(pid, 'first name', getvariable('first_names')) as first_i, chance(pid, 'mail') as mail
    from range({people}) t(pid)),
named as (
    select d.pid, d.household, d.mail, f.name as first_name, f.nickname, f.gender, l.name as birth_name,
           case when f.gender = 'f' and chance(pid, 'married') < 0.06 then m.name end as married_name
    from drawn d join first_names f on f.i = d.first_i
    join last_names l on l.i = pick(d.household, 'last name', getvariable('last_names'))
    join last_names m on m.i = pick(d.pid, 'married name', getvariable('last_names')))
select n.pid, n.household, n.first_name, n.nickname, n.gender, n.birth_name, coalesce(n.married_name, n.birth_name) as last_name,
       n.married_name is not null as renamed,
       date '1942-01-01' + pick(pid, 'birth', 23700) as birth_date,
       ascii(n.first_name) || (['.', '_', ''])[1 + pick(pid, 'dot', 3)] || ascii(n.birth_name)
           || case when row_number() over (partition by n.first_name, n.birth_name order by pid) > 1
              then (row_number() over (partition by n.first_name, n.birth_name order by pid))::varchar else '' end
           || '@' || (['nordmail', 'elbpost', 'webbrief', 'fjord', 'hafennetz', 'blitzpost', 'freimail'])[1 + pick(pid, 'provider', 7)] || '.example' as email,
       ascii(n.nickname) || pid || '@' || (['firma-nord', 'kontor', 'uni-elbe', 'werft', 'freimail'])[1 + pick(pid, 'work', 5)] || '.example' as other_email,
       (['151', '160', '170', '171', '172', '175', '176', '179'])[1 + pick(pid, 'mobile', 8)] as mobile_area,
       lpad((hash(pid, 'mobile number', {seed}) % 100000000)::varchar, 8, '1') as mobile,
       c.area_code as land_area, lpad((hash(n.household, 'land line', {seed}) % 10000000)::varchar, 7, '2') as land_line,
       s.name || ' ' || (1 + pick(n.household, 'house', 140)) as street, c.postal_prefix || lpad(pick(n.household, 'zip', 1000)::varchar, 3, '0') as postal_code,
       c.name as city,
       o.name || ' ' || (1 + pick(n.household, 'old house', 90)) as old_street, oc.postal_prefix || lpad(pick(n.household, 'old zip', 1000)::varchar, 3, '0') as old_postal_code,
       oc.name as old_city, chance(n.household, 'moved') < 0.12 as moved
from named n
join cities c on c.i = pick(n.household, 'city', getvariable('cities'))
join cities oc on oc.i = pick(n.household, 'old city', getvariable('cities'))
join streets s on s.i = pick(n.household, 'street', getvariable('streets'))
join streets o on o.i = pick(n.household, 'old street', getvariable('streets'));

-- One row for each time a system met a person. A second record of the same person in the same system (`again`) knows less, or other things.
create table met as
with systems(system, share, twice) as (values ('crm', 0.55, 0.06), ('shop', 0.68, 0.10), ('support', 0.26, 0.03), ('loyalty', 0.34, 0.01))
select system, pid, n as again, hash(system, pid, n, {seed}) as r, row_number() over (partition by system order by hash(pid, n, system, {seed})) as nr
from systems, person, range(2) t(n)
where chance(pid, system) < share and (n = 0 or chance(pid, system || ' again') < twice);

create table record as
select m.system, m.pid, m.nr, m.again, p.gender, p.household,
       case when chance(r, 'nick') < 0.13 then p.nickname when chance(r, 'initial') < 0.04 then p.first_name[1] || '.'
            when chance(r, 'typo first') < 0.03 then slip(p.first_name, r) else p.first_name end as first_name,
       case when p.renamed and chance(r, 'renamed') < 0.5 then p.birth_name when chance(r, 'typo last') < 0.03 then slip(p.last_name, r)
            when chance(r, 'ascii') < 0.25 then strip_accents(replace(replace(replace(replace(p.last_name, 'ä', 'ae'), 'ö', 'oe'), 'ü', 'ue'), 'ß', 'ss'))
            when chance(r, 'caps') < 0.03 then upper(p.last_name) else p.last_name end as last_name,
       case when chance(r, 'no birth') < 0.25 then null else p.birth_date end as birth_date,
       case when chance(r, 'no mail') < 0.07 then case when chance(r, 'empty') < 0.5 then '' end
            when chance(r, 'mail caps') < 0.06 then upper(p.email)
            when chance(r, 'mail blank') < 0.02 then p.email || ' '
            when chance(r, 'mail typo') < 0.015 then replace(replace(p.email, 'mail', 'mial'), 'post', 'psot')
            when m.again = 1 or chance(r, 'other mail') < 0.14 then p.other_email else p.email end as email,
       case when chance(r, 'no phone') < 0.22 then case when chance(r, 'empty phone') < 0.3 then '' end
            when chance(r, 'switchboard') < 0.01 then '040 5550-0'
            when chance(r, 'land') < 0.25 then written_phone(p.land_area, p.land_line, r)
            else written_phone(p.mobile_area, p.mobile, r) end as phone,
       case when p.moved and chance(r, 'old address') < 0.4 then p.old_street else p.street end as street,
       case when p.moved and chance(r, 'old address') < 0.4 then p.old_postal_code else p.postal_code end as postal_code,
       case when p.moved and chance(r, 'old address') < 0.4 then p.old_city when chance(r, 'no city') < 0.03 then '' else p.city end as city,
       ago(r, 'created', 1500) as created_at, greatest(ago(r, 'created', 1500), ago(r, 'updated', 700)) as updated_at
from met m join person p using (pid);
