-- prune_branches, by example. Written by hand: title, params, as, rows and the query; the states by `pytest --update-golden`.

-- title: a source that is named
SELECT status FROM sales_order WHERE _source = 'shop'
-- before:
--   sales_order(status, _source) if _source = $v0
--     shop.orders
--     club.purchase
-- after:
--   sales_order(status, _source) if _source = $v0
--     shop.orders

-- title: a kind of the timeline
SELECT t.at FROM timeline AS t WHERE t.kind = 'case'
-- before:
--   timeline(at, kind) if kind = $v0
--     shop.orders
--     club.purchase
--     club.click
--     crm.consent
--     crm.ticket
-- after:
--   timeline(at, kind) if kind = $v0
--     crm.ticket

-- title: an attribute that only one source has
SELECT sales_order_id FROM sales_order WHERE store = 'Kiel'
-- before:
--   sales_order(sales_order_id, store) if store = $v0
--     shop.orders
--     club.purchase
-- after:
--   sales_order(sales_order_id, store) if store = $v0
--     club.purchase

-- title: no branch is left
SELECT sales_order_id FROM sales_order WHERE _source = 'nowhere' AND status LIKE 'p%'
-- before:
--   sales_order(sales_order_id, status, _source) if _source = $v0 and status LIKE 'p%'
--     shop.orders
--     club.purchase
-- after:
--   sales_order(sales_order_id, status, _source) if _source = $v0 and status LIKE 'p%'

-- title: must not: a survived view's branches, which decide who wins
SELECT id360 FROM individual WHERE segment = 'online' AND points > 3
-- before:
--   individual(id360, points, segment) if segment = $v0 and points > $v1 of those found
--     crm.contact
--     shop.customer
--     club.member
--     found by individual_record(id360) if points > $v1
--     found by   club.member where "points" > $v1
-- after:
--   the same

-- title: must not: NULL would pass
SELECT sales_order_id FROM sales_order WHERE store IS NULL OR channel = 'web'
-- before:
--   sales_order(sales_order_id, channel, store) if store IS NULL OR channel = $v0
--     shop.orders
--     club.purchase
-- after:
--   the same

-- title: must not: a bound value, of which the plan may not depend
-- params: ['shop']
SELECT status FROM sales_order WHERE _source = ?
-- before:
--   sales_order(status, _source) if _source = $c360_p1
--     shop.orders
--     club.purchase
-- after:
--   the same

-- title: must not: a constant that passes, and a column
SELECT sales_order_id FROM sales_order WHERE currency = 'EUR'
-- before:
--   sales_order(sales_order_id, currency) if currency = $v0
--     shop.orders
--     club.purchase
-- after:
--   the same

