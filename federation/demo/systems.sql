-- The company's systems as tables, each under the name `system__table`. Runs after people.sql.

create table crm__account as
select t.i as account_id, (['Sportverein', 'Wanderclub', 'Ruderclub', 'Schule', 'Outdoor-Agentur', 'Alpenverein'])[1 + pick(t.i, 'kind', 6)] || ' ' || l.name as name,
       (['club', 'club', 'club', 'school', 'company', 'club'])[1 + pick(t.i, 'kind', 6)] as type,
       'DE' || lpad((hash(t.i, 'tax', {seed}) % 1000000000)::varchar, 9, '1') as tax_number, c.name as city, 'DE' as country,
       ago(t.i, 'account', 1400) as created_at, ago(t.i, 'account updated', 400) as updated_at
from range(1, 1 + {people} // 40) t(i) join last_names l on l.i = pick(t.i, 'account', getvariable('last_names'))
join cities c on c.i = pick(t.i, 'account city', getvariable('cities'));

create table crm__contact as
select nr as id, first_name, last_name, email, phone, birth_date, street, postal_code, city, 'DE' as country,
       case when chance(nr, 'has account') < 0.08 then 1 + pick(nr, 'account', {people} // 40) end as account_id,
       case gender when 'f' then 'Frau' else 'Herr' end as salutation, created_at, updated_at, pid
from record where system = 'crm';

create table crm__lead as
select i as lead_id, first_name, last_name, email, phone, (['web form', 'trade fair', 'store', 'referral'])[1 + pick(i, 'origin', 4)] as origin,
       (['new', 'working', 'qualified', 'lost'])[1 + pick(i, 'lead status', 4)] as status, pick(i, 'score', 101) as score, ago(i, 'lead', 300) as created_at
from (select row_number() over (order by hash(pid, 'lead', {seed})) as i, * from record where system in ('crm', 'support') and again = 0)
where i <= {people} // 14;

create table crm__opportunity as
select i as opportunity_id, id as contact_id, account_id, 'Team outfit ' || (2024 + pick(i, 'season', 3)) as name,
       (['prospecting', 'proposal', 'negotiation', 'won', 'lost'])[1 + pick(i, 'stage', 5)] as stage, (200 + pick(i, 'amount', 480000) / 100)::decimal(10,2) as amount,
       (timestamp '{as_of}' + interval 1 day * (pick(i, 'close', 200) - 120))::date as close_date, ago(i, 'opportunity', 400) as created_at
from (select row_number() over (order by id) as i, id, account_id from crm__contact where account_id is not null);

create table crm__consent as
select row_number() over (order by id, channel) as consent_id, id as contact_id, 'marketing' as purpose, channel,
       case when chance(id, 'consent ' || channel) < 0.62 then 'granted' when chance(id, 'consent ' || channel) < 0.85 then 'denied' else 'withdrawn' end as status,
       ago(id, 'asked ' || channel, 900) as captured_at
from crm__contact, (values ('email'), ('phone')) c(channel) where chance(id, 'asked at all ' || channel) < 0.8;

create table shop__customer as
select nr + 100000 as customer_id, first_name, last_name, email, phone, street, postal_code, city, 'DE' as country, again = 1 as is_guest, created_at, updated_at, pid
from record where system = 'shop';

create table shop__product as
select product_id, 'NL-' || (1000 + product_id) as sku, name, category, brand, price, 'EUR' as currency, chance(product_id, 'active') < 0.95 as is_active from products;

-- A few buy much: the number of orders falls off like 1 / rank.
create table shop__order as
with baskets as (
    select customer_id, n, hash(customer_id, n, {seed}) as r from shop__customer,
    range(case when is_guest then 1 else least(60, (0.6 / (0.02 + chance(customer_id, 'orders')))::int) end) t(n)),
dated as (select customer_id, r, ago(r, 'ordered', 900) as ordered_at from baskets)
select 5000000 + row_number() over (order by ordered_at, r) as order_id, customer_id, r,
       case when ordered_at > timestamp '{as_of}' - interval 3 day then 'placed' else (['paid', 'shipped', 'shipped', 'shipped', 'returned', 'cancelled'])
           [1 + pick(r, 'status', 6)] end as status,
       (['web', 'web', 'app', 'store'])[1 + pick(r, 'channel', 4)] as channel, 'EUR' as currency,
       case when chance(r, 'coupon') < 0.1 then 'TRAIL10' end as coupon, ordered_at
from dated;

create table shop__order_line as
select order_id, line_no, product_id, quantity, price as unit_price, (price * quantity)::decimal(10,2) as amount
from (select o.order_id, n + 1 as line_no, 1 + pick(hash(o.r, n), 'product', getvariable('products')) as product_id,
             1 + (chance(hash(o.r, n), 'quantity') * 1.3)::int as quantity
      from shop__order o, range(1 + pick(o.r, 'lines', 3)) t(n)) join products using (product_id);

create table shop__orders as
select o.order_id, o.customer_id, o.status, o.channel, (t.amount + t.shipping)::decimal(10,2) as total, t.shipping::decimal(10,2) as shipping, o.currency, o.coupon,
       o.ordered_at, case when o.status in ('shipped', 'returned') then o.ordered_at + interval 1 hour * (6 + pick(o.r, 'shipped', 60)) end as shipped_at
from shop__order o join (select order_id, sum(amount) as amount, case when sum(amount) < 60 then 4.95 else 0 end as shipping from shop__order_line group by 1) t
using (order_id);

create table support__user as
select 'u' || (20000 + nr) as user_key, case when chance(nr, 'comma') < 0.1 then last_name || ', ' || first_name else first_name || ' ' || last_name end as name,
       email as mail, phone, created_at, updated_at, pid
from record where system = 'support';

create table support__ticket as
with asked as (
    select user_key, n, hash(user_key, n, {seed}) as r from support__user, range(1 + least(7, (0.35 / (0.06 + chance(user_key, 'tickets')))::int)) t(n)),
dated as (select user_key, r, ago(r, 'opened', 500) as opened_at from asked),
states as (
    select *, case when opened_at > timestamp '{as_of}' - interval 21 day and chance(r, 'still open') < 0.7 then 'open'
                   when chance(r, 'pending') < 0.05 then 'waiting' else 'closed' end as status from dated)
select 'T-' || (40000 + row_number() over (order by opened_at, r)) as ticket_id, user_key, s.subject, s.category, status,
       (['low', 'normal', 'normal', 'high', 'urgent'])[1 + pick(r, 'priority', 5)] as priority, (['mail', 'web', 'phone', 'chat'])[1 + pick(r, 'channel', 4)] as channel,
       opened_at, case when status = 'closed' then opened_at + interval 1 hour * (2 + pick(r, 'closed', 200)) end as closed_at,
       case when status = 'closed' and chance(r, 'graded') < 0.4 then 1 + pick(r, 'grade', 5) end as grade
from states join subjects s on s.i = pick(r, 'subject', getvariable('subjects'));

-- Marketing knows nobody, only addresses: those that any of the systems holds. It keeps them in lower case, trimmed.
create table address as
select email, hash(lower(trim(email)), {seed}) as r from (select distinct lower(trim(email)) as email from record where email <> '') where chance(email, 'subscribed') < 0.7;

create table marketing__email_events as
with sent as (select email, hash(r, n) as r, ago(hash(r, n), 'sent', 365) as sent_at from address, range(8) t(n)),
steps as (select * from sent, (values ('sent', 1.0, 0), ('open', 0.42, 9), ('click', 0.11, 10), ('unsubscribe', 0.004, 12)) s(type, share, hours)
          where chance(r, 'reads') < share)
select row_number() over (order by sent_at, r, hours) as event_id, email, type,
       (['spring-trail', 'rain-or-shine', 'summer-sup', 'autumn-hike', 'winter-down', 'club-days', 'last-pairs'])[1 + pick(r, 'campaign', 7)] as campaign,
       least(sent_at + interval 1 hour * hours, timestamp '{as_of}') as occurred_at
from steps order by occurred_at;

create table marketing__web_visits as
select row_number() over (order by occurred_at, r) as visit_id, email, 'page_view' as type,
       'https://nordlicht.example/' || category || '/' || product_id as url, p.name as page_title, product_id, occurred_at
from (select email, hash(r, n, 'web') as r, ago(hash(r, n, 'web'), 'visited', 180) as occurred_at from address,
      range(least(40, (0.35 / (0.03 + chance(r, 'visits')))::int)) t(n))
join products p on p.product_id = 1 + pick(r, 'looked at', getvariable('products')) order by occurred_at;

create table loyalty__member as
select 'NC' || lpad((700000 + nr)::varchar, 8, '0') as member_no, first_name, last_name as surname, email, phone as mobile, birth_date, 'D-' || postal_code as zip, city,
       (['blue', 'blue', 'silver', 'gold'])[1 + pick(nr, 'tier', 4)] as tier, pick(nr, 'points', 6000) as points, created_at as joined_at, updated_at, pid
from record where system = 'loyalty';

create table loyalty__transaction as
select row_number() over (order by occurred_at, r) as transaction_id, member_no, case when chance(r, 'redeem') < 0.2 then 'redeem' else 'earn' end as type,
       case when chance(r, 'redeem') < 0.2 then -100 * (1 + pick(r, 'spent', 10)) else 10 + pick(r, 'earned', 300) end as points, occurred_at
from (select member_no, hash(member_no, n, {seed}) as r, ago(hash(member_no, n, {seed}), 'points', 700) as occurred_at
      from loyalty__member, range(pick(member_no, 'transactions', 12)) t(n));

create table truth as
select 'crm.contact' as source, id::varchar as key, pid from crm__contact union all select 'shop.customer', customer_id::varchar, pid from shop__customer
union all select 'support.user', user_key, pid from support__user union all select 'loyalty.member', member_no, pid from loyalty__member;
