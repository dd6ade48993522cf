-- push_filters, by example. Written by hand: title, params, as, rows and the query; the states by `pytest --update-golden`.

-- title: to each source in its columns
SELECT sales_order_id FROM sales_order WHERE status = 'paid' AND total_amount > 10
-- before:
--   sales_order(sales_order_id, status, total_amount) if status = $v0 and total_amount > $v1
--     shop.orders
--     club.purchase
-- after:
--   sales_order(sales_order_id, status, total_amount) if status = $v0 and total_amount > $v1
--     shop.orders where "status" = $v0 and "amount" > $v1
--     club.purchase where "state" = $v0

-- title: times of another zone go with a day to spare, instants as they are
SELECT sales_order_id FROM sales_order WHERE ordered_at >= TIMESTAMP '2024-01-01' AND shipped_at < TIMESTAMP '2025-01-01'
-- before:
--   sales_order(sales_order_id, ordered_at, shipped_at) if ordered_at >= $v0 and shipped_at < $v1
--     shop.orders
--     club.purchase
-- after:
--   sales_order(sales_order_id, ordered_at, shipped_at) if ordered_at >= $v0 and shipped_at < $v1
--     shop.orders where "placed" >= $v2 and "shipped" <= $v3
--     club.purchase where "handed" < $v4

-- title: must not: a policy's <> on text in which '' is NULL
-- as: ana
SELECT status FROM sales_order WHERE items = 1
-- before:
--   sales_order(status, items) if items = $v0
--     shop.orders
-- after:
--   sales_order(status, items) if items = $v0
--     shop.orders where "items" = $v0

-- title: a policy for all but some
-- as: ana
SELECT captured_at FROM consent
-- before:
--   consent(captured_at)
--     crm.consent
-- after:
--   consent(captured_at)
--     crm.consent where "status" = $v0

-- title: must not: a decimal that a mapping rounds
SELECT sales_order_id FROM sales_order WHERE total_amount = 1.01
-- before:
--   sales_order(sales_order_id, total_amount) if total_amount = $v0
--     shop.orders
--     club.purchase
-- after:
--   sales_order(sales_order_id, total_amount) if total_amount = $v0
--     shop.orders where "amount" = $v0
--     club.purchase

-- title: must not: a masked column
-- as: ana
SELECT sales_order_id FROM sales_order WHERE total_amount = 10 AND coupon = 'SPRING'
-- before:
--   sales_order(sales_order_id, total_amount, coupon) if total_amount = $v0 and coupon = $v1
-- after:
--   the same

-- title: must not: NOT over text in which '' is NULL
SELECT case_id FROM support_case WHERE NOT status = 'open' AND subject IS NULL
-- before:
--   case(case_id, subject, status) if NOT status = $v0 and subject IS NULL
--     crm.ticket
-- after:
--   the same

-- title: must not: survived values
SELECT id360 FROM individual WHERE score > 0.5
-- before:
--   individual(id360, score) if score > $v0 of those found
--     crm.contact
--     shop.customer
--     club.member
--     found by individual_record(id360) if score > $v0
--     found by   crm.contact where "score" > $v0
-- after:
--   the same

