-- narrow_ids, by example. Written by hand: title, params, as, rows and the query; the states by `pytest --update-golden`.

-- title: one id
-- params: [ids[3]]
SELECT email FROM individual WHERE id360 = ?
-- before:
--   individual(*) if id360 = $c360_p1
--     crm.contact
--     shop.customer
--     club.member
-- after:
--   individual(*) if id360 = $c360_p1 of $c360_p1
--     crm.contact
--     shop.customer
--     club.member

-- title: a list of ids
-- params: [ids[3], ids[4]]
SELECT status FROM sales_order WHERE id360 IN (?, ?) AND status = 'paid'
-- before:
--   sales_order(*) if id360 IN ($c360_p1, $c360_p2) and status = $v0
--     shop.orders
--     club.purchase
-- after:
--   sales_order(*) if id360 IN ($c360_p1, $c360_p2) and status = $v0 of $c360_p1, $c360_p2
--     shop.orders
--     club.purchase

-- title: the crosswalk itself
-- params: [ids[3]]
SELECT source, key FROM crosswalk WHERE id360 = ?
-- before:
--   crosswalk(*) if id360 = $c360_p1
-- after:
--   crosswalk(*) if id360 = $c360_p1 of $c360_p1

-- title: both sides of a join
-- params: [ids[3]]
SELECT i.email, o.status FROM individual AS i JOIN sales_order AS o ON i.id360 = o.id360 WHERE o.id360 = ?
-- before:
--   individual(*) if id360 = $c360_p1
--     crm.contact
--     shop.customer
--     club.member
--   sales_order(*) if id360 = $c360_p1
--     shop.orders
--     club.purchase
-- after:
--   individual(*) if id360 = $c360_p1 of $c360_p1
--     crm.contact
--     shop.customer
--     club.member
--   sales_order(*) if id360 = $c360_p1 of $c360_p1
--     shop.orders
--     club.purchase

-- title: must not: a range of ids, or their absence
SELECT status FROM sales_order WHERE id360 > 500000000000000 OR id360 IS NULL
-- before:
--   sales_order(*) if id360 > $v0 OR id360 IS NULL
--     shop.orders
--     club.purchase
-- after:
--   the same

-- title: must not: NOT, and OR with something else
-- params: [ids[3], ids[4]]
SELECT status FROM sales_order WHERE NOT id360 = ? OR id360 = ?
-- before:
--   sales_order(*) if NOT id360 = $c360_p1 OR id360 = $c360_p2
--     shop.orders
--     club.purchase
-- after:
--   the same

