-- find_candidates, by example. Written by hand: title, params, as, rows and the query; the states by `pytest --update-golden`.

-- title: an equality on a survived value
SELECT id360, email FROM individual WHERE email = 'p12@x.co'
-- before:
--   individual(*) if email = $v0
--     crm.contact
--     shop.customer
--     club.member
-- after:
--   individual(*) if email = $v0 of those found
--     crm.contact
--     shop.customer
--     club.member
--     found by individual_record(id360) if email = $v0
--     found by   crm.contact where "email" = $v0
--     found by   shop.customer where "mail" = $v0
--     found by   club.member where "mail" = $v0

-- title: two attributes: those found by both
SELECT id360 FROM individual WHERE city = 'Kiel' AND last_name LIKE 'B%'
-- before:
--   individual(*) if city = $v0 and last_name LIKE 'B%'
--     crm.contact
--     shop.customer
--     club.member
-- after:
--   individual(*) if city = $v0 and last_name LIKE 'B%' of those found
--     crm.contact
--     shop.customer
--     club.member
--     found by individual_record(id360) if city = $v0
--     found by   crm.contact where "city" = $v0
--     found by   shop.customer where "city" = $v0
--     found by   club.member where "town" = $v0
--     found by individual_record(id360) if last_name LIKE 'B%'
--     found by   crm.contact where "last" LIKE 'B%'
--     found by   shop.customer where "last" LIKE 'B%'

-- title: survived as the greatest: some record has a value that passes
SELECT id360 FROM individual WHERE score > 0.5
-- before:
--   individual(*) if score > $v0
--     crm.contact
--     shop.customer
--     club.member
-- after:
--   individual(*) if score > $v0 of those found
--     crm.contact
--     shop.customer
--     club.member
--     found by individual_record(id360) if score > $v0
--     found by   crm.contact where "score" > $v0

-- title: must not: an id is given
-- params: [ids[3]]
SELECT email FROM individual WHERE id360 = ? AND city = 'Kiel'
-- before:
--   individual(*) if id360 = $c360_p1 and city = $v0 of $c360_p1
--     crm.contact
--     shop.customer
--     club.member
-- after:
--   the same

-- title: must not: a value that NULL satisfies, or NOT
SELECT id360 FROM individual WHERE city IS NULL OR NOT city = 'Kiel'
-- before:
--   individual(*) if city IS NULL OR NOT city = $v0
--     crm.contact
--     shop.customer
--     club.member
-- after:
--   the same

-- title: must not: a masked value
-- as: ana
SELECT id360 FROM individual WHERE email = 'p12@x.co'
-- before:
--   individual(*) if email = $v0
--     crm.contact
--     shop.customer
--     club.member
-- after:
--   the same

-- title: must not: a mapping's expression that a source cannot search
SELECT id360 FROM individual WHERE country = 'DE'
-- before:
--   individual(*) if country = $v0
--     crm.contact
--     shop.customer
--     club.member
-- after:
--   the same

-- title: must not: a view of records
SELECT id360 FROM individual_record WHERE email = 'p12@x.co'
-- before:
--   individual_record(*) if email = $v0
--     crm.contact
--     shop.customer
--     club.member
-- after:
--   the same

