-- copy_filters, by example. Written by hand: title, params, as, rows and the query; the states by `pytest --update-golden`.

-- title: an equality and a range
SELECT sales_order_id FROM sales_order WHERE status = 'paid' AND items >= 2
-- before:
--   sales_order(*)
--     shop.orders
--     club.purchase
-- after:
--   sales_order(*) if status = $v0 and items >= $v1
--     shop.orders
--     club.purchase

-- title: through a derived table and a CTE
WITH o AS (SELECT id360, status AS state FROM sales_order) SELECT * FROM (SELECT * FROM o) AS t WHERE t.state = 'open'
-- before:
--   sales_order(*)
--     shop.orders
--     club.purchase
-- after:
--   sales_order(*) if status = $v0
--     shop.orders
--     club.purchase

-- title: through GROUP BY on the key, not on the count
SELECT * FROM (SELECT status, count(*) AS n FROM sales_order GROUP BY status) AS t WHERE t.status = 'open' AND t.n > 3
-- before:
--   sales_order(*)
--     shop.orders
--     club.purchase
-- after:
--   sales_order(*) if status = $v0
--     shop.orders
--     club.purchase

-- title: to both sides of a union
SELECT * FROM (SELECT id360, status FROM support_case UNION SELECT id360, status FROM sales_order) AS t WHERE t.status = 'open'
-- before:
--   case(*)
--     crm.ticket
--   sales_order(*)
--     shop.orders
--     club.purchase
-- after:
--   case(*) if status = $v0
--     crm.ticket
--   sales_order(*) if status = $v0
--     shop.orders
--     club.purchase

-- title: from ON to the right side of a left join
SELECT c.case_id, o.sales_order_id FROM support_case AS c LEFT JOIN sales_order AS o ON o.id360 = c.id360 AND o.status = 'paid' AND c.status = 'open'
-- before:
--   case(*)
--     crm.ticket
--   sales_order(*)
--     shop.orders
--     club.purchase
-- after:
--   case(*)
--     crm.ticket
--   sales_order(*) if status = $v0
--     shop.orders
--     club.purchase

-- title: an id from one side of an inner join to the other
-- params: [ids[9]]
SELECT i.city, o.status FROM individual AS i JOIN sales_order AS o ON o.id360 = i.id360 WHERE i.id360 = ?
-- before:
--   individual(*)
--     crm.contact
--     shop.customer
--     club.member
--   sales_order(*)
--     shop.orders
--     club.purchase
-- after:
--   individual(*) if id360 = $c360_p1
--     crm.contact
--     shop.customer
--     club.member
--   sales_order(*) if id360 = $c360_p1
--     shop.orders
--     club.purchase

-- title: must not: a union of two types
SELECT * FROM (SELECT status AS c FROM sales_order UNION ALL SELECT items FROM sales_order) AS t WHERE t.c < '3'
-- before:
--   sales_order(*)
--     shop.orders
--     club.purchase
--   sales_order(*)
--     shop.orders
--     club.purchase
-- after:
--   the same

-- title: must not: IS NULL on the nullable side of a left join
SELECT c.case_id FROM support_case AS c LEFT JOIN sales_order AS o ON o.id360 = c.id360 WHERE o.status IS NULL
-- before:
--   case(*)
--     crm.ticket
--   sales_order(*)
--     shop.orders
--     club.purchase
-- after:
--   the same

-- title: must not: below a limit
SELECT * FROM (SELECT case_id, status FROM support_case ORDER BY opened_at, case_id LIMIT 5) AS t WHERE t.status = 'open'
-- before:
--   case(*)
--     crm.ticket
-- after:
--   the same

-- title: must not: below a window, DISTINCT ON, QUALIFY
SELECT * FROM (SELECT DISTINCT ON (id360) id360, status FROM support_case ORDER BY id360, opened_at, case_id) AS t WHERE t.status = 'open'
-- before:
--   case(*)
--     crm.ticket
-- after:
--   the same

-- title: must not: into a CTE that is used twice
WITH o AS (SELECT id360, status FROM sales_order) SELECT a.id360 FROM o AS a JOIN o AS b ON a.id360 = b.id360 WHERE a.status = 'open'
-- before:
--   sales_order(*)
--     shop.orders
--     club.purchase
-- after:
--   the same

-- title: must not: what may throw, or what a source may not see
SELECT case_id FROM support_case WHERE length(subject) > 3 AND CAST(case_id AS INTEGER) > 5
-- before:
--   case(*)
--     crm.ticket
-- after:
--   the same

-- title: must not: into an ASOF join
SELECT * FROM (SELECT o.sales_order_id, c.priority AS p FROM sales_order AS o ASOF JOIN support_case AS c ON o.ordered_at >= c.opened_at) AS t WHERE t.p = 'high'
-- before:
--   sales_order(*)
--     shop.orders
--     club.purchase
--   case(*)
--     crm.ticket
-- after:
--   the same

-- title: must not: into the right side of an anti join
SELECT i.id360 FROM individual AS i ANTI JOIN sales_order AS o ON o.id360 = i.id360 AND o.status = 'paid'
-- before:
--   individual(*)
--     crm.contact
--     shop.customer
--     club.member
--   sales_order(*)
--     shop.orders
--     club.purchase
-- after:
--   the same

-- title: the id of USING is the first table's, and a left join's side has no other
-- params: [ids[9]]
SELECT individual.email, o.status, c.status FROM individual JOIN sales_order AS o USING (id360) LEFT JOIN support_case AS c USING (id360) WHERE id360 = ?
-- before:
--   individual(*)
--     crm.contact
--     shop.customer
--     club.member
--   sales_order(*)
--     shop.orders
--     club.purchase
--   case(*)
--     crm.ticket
-- after:
--   individual(*) if id360 = $c360_p1
--     crm.contact
--     shop.customer
--     club.member
--   sales_order(*) if id360 = $c360_p1
--     shop.orders
--     club.purchase
--   case(*) if id360 = $c360_p1
--     crm.ticket

-- title: after a FULL JOIN the id is whichever side's
-- params: [ids[9]]
SELECT individual.email, o.status FROM individual FULL JOIN sales_order AS o USING (id360) WHERE id360 = ?
-- before:
--   individual(*)
--     crm.contact
--     shop.customer
--     club.member
--   sales_order(*)
--     shop.orders
--     club.purchase
-- after:
--   the same

-- title: an id from the WHERE reaches a left join's side, and the next
-- params: [ids[9]]
SELECT i.email FROM individual AS i LEFT JOIN sales_order AS o ON i.id360 = o.id360 LEFT JOIN support_case AS c ON c.id360 = o.id360 WHERE i.id360 = ?
-- before:
--   individual(*)
--     crm.contact
--     shop.customer
--     club.member
--   sales_order(*)
--     shop.orders
--     club.purchase
--   case(*)
--     crm.ticket
-- after:
--   individual(*) if id360 = $c360_p1
--     crm.contact
--     shop.customer
--     club.member
--   sales_order(*) if id360 = $c360_p1
--     shop.orders
--     club.purchase
--   case(*) if id360 = $c360_p1
--     crm.ticket

