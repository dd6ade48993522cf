-- push_top, by example. Written by hand: title, params, as, rows and the query; the states by `pytest --update-golden`.

-- title: one branch, sorted by what it stores
-- rows: ordered
SELECT case_id FROM support_case ORDER BY opened_at DESC, closed_at NULLS FIRST, satisfaction LIMIT 5 OFFSET 1
-- before:
--   case(case_id, satisfaction, opened_at, closed_at)
--     crm.ticket
-- after:
--   case(case_id, satisfaction, opened_at, closed_at)
--     crm.ticket order by opened desc, closed nulls first, grade limit 6

-- title: by plain columns with a filter
-- rows: ordered
SELECT opened_at FROM support_case WHERE is_escalated ORDER BY opened_at LIMIT 4
-- before:
--   case(is_escalated, opened_at) if is_escalated
--     crm.ticket where "escalated"
-- after:
--   case(is_escalated, opened_at) if is_escalated
--     crm.ticket where "escalated" order by opened limit 4

-- title: any rows will do
-- rows: count
SELECT sales_order_id FROM sales_order LIMIT 5
-- before:
--   sales_order(sales_order_id)
--     shop.orders
--     club.purchase
-- after:
--   sales_order(sales_order_id)
--     shop.orders limit 5
--     club.purchase limit 5

-- title: of the one branch that is left
-- rows: ordered
SELECT t.at FROM timeline AS t WHERE t.kind = 'case' ORDER BY t.at DESC LIMIT 3
-- before:
--   timeline(at, kind) if kind = $v0
--     crm.ticket
-- after:
--   timeline(at, kind) if kind = $v0
--     crm.ticket order by opened desc limit 3

-- title: the records of a person
-- params: [ids[20]]
-- rows: ordered
SELECT opened_at FROM support_case WHERE id360 = ? ORDER BY opened_at LIMIT 1
-- before:
--   case(id360, opened_at) if id360 = $c360_p1 of $c360_p1
--     crm.ticket by (contact_id)
-- after:
--   case(id360, opened_at) if id360 = $c360_p1 of $c360_p1
--     crm.ticket by (contact_id) order by opened limit 1

-- title: must not: text, in which '' is NULL
-- rows: ordered
SELECT subject, case_id FROM support_case ORDER BY subject, case_id LIMIT 3
-- before:
--   case(case_id, subject)
--     crm.ticket
-- after:
--   the same

-- title: must not: a filter that stays, hidden in brackets
-- rows: ordered
SELECT opened_at FROM support_case WHERE (satisfaction > 0 AND length(subject) > 3) AND is_escalated ORDER BY opened_at LIMIT 3
-- before:
--   case(subject, is_escalated, satisfaction, opened_at) if satisfaction > $v0 and is_escalated
--     crm.ticket where "grade" > $v0 and "escalated"
-- after:
--   the same

-- title: must not: a range of ids
-- rows: ordered
SELECT opened_at FROM support_case WHERE id360 > 500000000000000 ORDER BY opened_at LIMIT 3
-- before:
--   case(id360, opened_at) if id360 > $v0
--     crm.ticket
-- after:
--   the same

-- title: must not: a share of the rows
-- rows: count
SELECT sales_order_id FROM sales_order LIMIT 10 PERCENT
-- before:
--   sales_order(sales_order_id)
--     shop.orders
--     club.purchase
-- after:
--   the same

-- title: must not: a join, a group, a window, a bound limit
-- rows: ordered
SELECT status, count(*) AS n FROM support_case GROUP BY status ORDER BY n, status LIMIT 2
-- before:
--   case(status)
--     crm.ticket
-- after:
--   the same

-- title: must not: a decimal that a mapping rounds
-- rows: ordered
SELECT total_amount, ordered_at, sales_order_id FROM sales_order ORDER BY total_amount, ordered_at, sales_order_id LIMIT 3
-- before:
--   sales_order(sales_order_id, total_amount, ordered_at)
--     shop.orders
--     club.purchase
-- after:
--   the same

