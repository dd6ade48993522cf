-- prune_columns, by example. Written by hand: title, params, as, rows and the query; the states by `pytest --update-golden`.

-- title: what is read, in every part of the query
SELECT o.status FROM sales_order AS o WHERE o.items > 1 GROUP BY o.status HAVING max(o.coupon) > 'A' ORDER BY min(o.ordered_at)
-- before:
--   sales_order(*) if items > $v0
--     shop.orders
--     club.purchase
-- after:
--   sales_order(status, items, coupon, ordered_at) if items > $v0
--     shop.orders
--     club.purchase

-- title: nothing is read
SELECT count(*) FROM individual
-- before:
--   individual(*)
--     crm.contact
--     shop.customer
--     club.member
-- after:
--   individual()
--     crm.contact
--     shop.customer
--     club.member

-- title: correlated and in brackets
SELECT o.sales_order_id FROM sales_order AS o LEFT JOIN (support_case AS c JOIN individual AS i ON i.id360 = c.id360) ON c.id360 = o.id360 WHERE EXISTS (SELECT 1 FROM consent AS x WHERE x.id360 = i.id360 AND x.status = c.status)
-- before:
--   consent(*)
--     crm.consent
--   sales_order(*)
--     shop.orders
--     club.purchase
--   case(*)
--     crm.ticket
--   individual(*)
--     crm.contact
--     shop.customer
--     club.member
-- after:
--   consent(id360, status)
--     crm.consent
--   sales_order(id360, sales_order_id)
--     shop.orders
--     club.purchase
--   case(id360, status)
--     crm.ticket
--   individual(id360)
--     crm.contact
--     shop.customer
--     club.member

-- title: two uses of one view, each with its own
SELECT a.email, b.city FROM individual AS a JOIN individual AS b ON a.id360 = b.id360
-- before:
--   individual(*)
--     crm.contact
--     shop.customer
--     club.member
--   individual(*)
--     crm.contact
--     shop.customer
--     club.member
-- after:
--   individual(id360, email)
--     crm.contact
--     shop.customer
--     club.member
--   individual(id360, city)
--     crm.contact
--     shop.customer
--     club.member

-- title: must not: what * shows; hidden columns go
SELECT * FROM consent
-- before:
--   consent(*)
--     crm.consent
-- after:
--   consent(id360, consent_id, individual_id, purpose, channel, contact_point, status, legal_basis, jurisdiction, policy_version, capture_source, is_double_opt_in, captured_at, effective_from, effective_to, updated_at)
--     crm.consent

