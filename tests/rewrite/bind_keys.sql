-- bind_keys, by example. Written by hand: title, params, as, rows and the query; the states by `pytest --update-golden`.

-- title: one id: each source by its own key
-- params: [ids[3]]
SELECT email FROM individual WHERE id360 = ?
-- before:
--   individual(id360, email) if id360 = $c360_p1 of $c360_p1
--     crm.contact
--     shop.customer
--     club.member
-- after:
--   individual(id360, email) if id360 = $c360_p1 of $c360_p1
--     crm.contact by (id)
--     shop.customer by (tenant, id)
--     club.member by (card)

-- title: a composite foreign key, and a plain one
-- params: [ids[3]]
SELECT status FROM sales_order WHERE id360 = ?
-- before:
--   sales_order(id360, status) if id360 = $c360_p1 of $c360_p1
--     shop.orders
--     club.purchase
-- after:
--   sales_order(id360, status) if id360 = $c360_p1 of $c360_p1
--     shop.orders by (tenant, customer_id)
--     club.purchase by (card)

-- title: those found
SELECT email FROM individual WHERE email LIKE 'p1%'
-- before:
--   individual(email) if email LIKE 'p1%' of those found
--     crm.contact
--     shop.customer
--     club.member
--     found by individual_record(id360) if email LIKE 'p1%'
--     found by   crm.contact where "email" LIKE 'p1%'
--     found by   shop.customer where "mail" LIKE 'p1%'
--     found by   club.member where "mail" LIKE 'p1%'
-- after:
--   individual(email) if email LIKE 'p1%' of those found
--     crm.contact by (id)
--     shop.customer by (tenant, id)
--     club.member by (card)
--     found by individual_record(id360) if email LIKE 'p1%'
--     found by   crm.contact where "email" LIKE 'p1%'
--     found by   shop.customer where "mail" LIKE 'p1%'
--     found by   club.member where "mail" LIKE 'p1%'

-- title: must not: an identifier that its source holds in any form
-- params: [ids[3]]
SELECT type FROM engagement_email WHERE id360 = ?
-- before:
--   engagement_email(id360, type) if id360 = $c360_p1
--     club.click
-- after:
--   the same

-- title: must not: no ids are known
SELECT status FROM sales_order WHERE status = 'paid'
-- before:
--   sales_order(status) if status = $v0
--     shop.orders where "status" = $v0
--     club.purchase where "state" = $v0
-- after:
--   the same

