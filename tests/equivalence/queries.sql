-- Queries whose answer must be the same whatever passes run, and the same as over local copies of everything.
-- Before the SQL:  title: what it is about · params: a Python list or mapping (`ids` are the people's id360s) · as: principals
-- rows: ordered (ORDER BY is total) or count (only how many) · text: no (it names what only c360 has, like hidden columns)

-- title: everybody
SELECT * FROM individual
-- title: nobody's columns are read, rows are counted
SELECT count(*) FROM individual
-- title: one person by id
-- params: {'id': ids[5]}
SELECT * FROM individual WHERE id360 = $id
-- title: people by a list of ids, one of them unknown, one twice
-- params: [ids[0], ids[1], 1, ids[0]]
SELECT id360, email, city, score FROM individual WHERE id360 IN (?, ?, ?, ?)
-- title: an id that nobody has
SELECT * FROM individual WHERE id360 = 1
-- title: an id that is NULL
-- params: [None]
SELECT id360 FROM sales_order WHERE id360 = ?
-- title: two ids at once
-- params: [ids[3], ids[4]]
SELECT id360, sales_order_id FROM sales_order WHERE id360 = ? AND id360 = ?
-- title: a list of ids and one of them
-- params: [ids[20], ids[21], ids[22]]
SELECT id360, case_id FROM support_case WHERE id360 IN (?1, ?2, ?3) AND id360 = ?2
-- title: id carried through an inner join
-- params: [ids[7]]
SELECT i.email, o.sales_order_id, o.total_amount FROM individual i JOIN sales_order o ON o.id360 = i.id360 WHERE i.id360 = ?
-- title: id carried through USING and two joins
-- params: [ids[9]]
SELECT id360, o.status, c.status AS c FROM individual JOIN sales_order o USING (id360) JOIN support_case c USING (id360) WHERE id360 = ?
-- title: id beside a left join
-- params: [ids[11]]
SELECT i.email, o.sales_order_id FROM individual i LEFT JOIN sales_order o ON o.id360 = i.id360 WHERE i.id360 = ?
-- title: a range of ids below a limit
-- rows: ordered
SELECT id360, case_id FROM support_case WHERE id360 > 500000000000000 ORDER BY opened_at, case_id LIMIT 5
-- title: events linked by an address in mixed case
-- params: [ids[2], ids[12], ids[30]]
SELECT id360, email, type FROM engagement_email WHERE id360 IN (?, ?, ?)
-- title: events of nobody
SELECT engagement_email_id FROM engagement_email WHERE id360 IS NULL

-- title: survived text, equality
SELECT id360, email FROM individual WHERE email = 'p12@x.co'
-- title: survived text, prefix
SELECT id360, email FROM individual WHERE email LIKE 'p1%'
-- title: survived text, infix and wildcard characters
SELECT id360 FROM individual WHERE last_name LIKE 'a_b' OR last_name LIKE '%il%'
-- title: survived text, list with an empty string
SELECT id360, city FROM individual WHERE city IN ('Kiel', 'Zürich', '')
-- title: survived text, empty string is nothing
SELECT id360 FROM individual WHERE city = ''
-- title: survived text, order of characters
SELECT id360, city FROM individual WHERE city >= 'Kiel' AND city < 'Z'
-- title: survived text, lower case
SELECT id360, city FROM individual WHERE lower(city) = 'kiel'
-- title: survived text, injection is only text
SELECT id360 FROM individual WHERE city = '''; drop table contact; --'
-- title: survived by length
SELECT id360, first_name FROM individual WHERE first_name = 'Bob'
-- title: survived by frequency
SELECT id360, last_name FROM individual WHERE last_name IN ('Bob', 'bob', 'ß')
-- title: survived as the least
SELECT id360, birth_date FROM individual WHERE birth_date < DATE '1970-01-01'
-- title: survived as the greatest
SELECT id360, score FROM individual WHERE score >= 0.1
-- title: survived by the source's trust
SELECT id360, city FROM individual WHERE city = 'Łódź' AND country = 'DE'
-- title: survived values are NULL
SELECT id360 FROM individual WHERE email IS NULL AND phone IS NULL
-- title: survived values are not NULL
SELECT id360, points FROM individual WHERE points IS NOT NULL AND NOT points > 7
-- title: NOT over a survived value
SELECT id360, city FROM individual WHERE NOT city = 'Kiel'
-- title: NOT IN with and without NULL
SELECT id360, city FROM individual WHERE city NOT IN ('Kiel', 'kiel') AND country NOT IN ('DE', NULL)
-- title: OR of two survived attributes
SELECT id360 FROM individual WHERE email = 'p1@x.co' OR phone = '0431-12'
-- title: OR of one survived attribute, with NULL
SELECT id360 FROM individual WHERE city = 'Kiel' OR city IS NULL
-- title: IS DISTINCT FROM
SELECT id360, vip FROM individual WHERE vip IS DISTINCT FROM true AND city IS NOT DISTINCT FROM 'Kiel'
-- title: a boolean by itself
SELECT id360 FROM individual WHERE vip AND NOT coalesce(status = 'active', false)
-- title: a boolean that is not true
SELECT id360 FROM individual WHERE vip IS NOT TRUE
-- title: constants of a mapping
SELECT brand, segment, count(*) FROM individual WHERE brand = 'acme' GROUP BY ALL
-- title: attributes that no mapping gives
SELECT id360 FROM individual WHERE job_title = 'x' OR gender IS NULL
-- title: how many records, and the latest
SELECT id360, records, last_updated_at FROM individual WHERE records > 2
-- title: where values come from
-- text: no
SELECT id360, email, email__source, email__key, email__as_of, birth_date__source, birth_date__key, score__source FROM individual
-- title: two people in one query
SELECT a.id360, b.id360 FROM individual a JOIN individual b ON a.city = b.city AND a.id360 < b.id360 WHERE a.city = 'Kiel' AND b.country = 'DE'

-- title: left join, filter on the right
SELECT i.id360, o.sales_order_id FROM individual i LEFT JOIN sales_order o ON o.id360 = i.id360 WHERE o.status = 'paid'
-- title: left join, nothing on the right
SELECT i.id360 FROM individual i LEFT JOIN sales_order o ON o.id360 = i.id360 WHERE o.id360 IS NULL
-- title: left join, NULL or a value on the right
SELECT i.id360, o.coupon FROM individual i LEFT JOIN sales_order o ON o.id360 = i.id360 WHERE o.coupon IS NULL OR o.coupon = 'SPRING'
-- title: left join, filter in ON on either side
SELECT i.id360, o.sales_order_id FROM individual i LEFT JOIN sales_order o ON o.id360 = i.id360 AND o.status = 'open' AND i.city = 'Kiel'
-- title: right join, filters on both sides
SELECT i.id360, o.sales_order_id FROM individual i RIGHT JOIN sales_order o ON o.id360 = i.id360 AND i.city = 'Kiel' WHERE o.status = 'open' AND i.city IS NULL
-- title: full join, OR over both sides
SELECT i.id360, c.case_id FROM individual i FULL JOIN support_case c ON c.id360 = i.id360 WHERE i.city = 'Kiel' OR c.priority = 'high'
-- title: full join, IS NULL on one side
SELECT i.id360, c.case_id FROM individual i FULL JOIN support_case c ON c.id360 = i.id360 WHERE i.id360 IS NULL AND c.status IS NOT NULL
-- title: left join then inner join on its right side
SELECT i.id360, o.sales_order_id, p.name FROM individual i LEFT JOIN sales_order o ON o.id360 = i.id360 JOIN product p ON p.sku = 'S' || o.items
-- title: left join then full join
SELECT i.id360, o.sales_order_id, c.case_id FROM individual i LEFT JOIN sales_order o ON o.id360 = i.id360 FULL JOIN support_case c ON c.id360 = o.id360 WHERE o.status IS NULL AND c.priority = 'high'
-- title: joins in brackets
SELECT o.sales_order_id, c.case_id, i.city FROM sales_order o LEFT JOIN (support_case c JOIN individual i ON i.id360 = c.id360 AND i.city = 'Kiel') ON c.id360 = o.id360 WHERE o.status = 'paid'
-- title: semi join
SELECT i.id360 FROM individual i SEMI JOIN sales_order o ON o.id360 = i.id360 AND o.status = 'paid' WHERE i.city IS NOT NULL
-- title: anti join
SELECT i.id360 FROM individual i ANTI JOIN sales_order o ON o.id360 = i.id360 AND o.status = 'paid' WHERE i.city = 'Kiel'
-- title: cross join
SELECT p.sku, i.id360 FROM product p CROSS JOIN individual i WHERE p.category = 'tent' AND i.country = 'CH'
-- title: natural join
SELECT * FROM (SELECT id360, status FROM support_case) NATURAL JOIN (SELECT id360, status FROM consent)
-- title: asof join
SELECT o.sales_order_id, c.case_id FROM sales_order o ASOF JOIN support_case c ON o.id360 = c.id360 AND o.ordered_at >= c.opened_at WHERE c.priority = 'high'
-- title: asof join by USING, whose last column may be earlier on the right
SELECT o.id360, o.sales_order_id, c.case_id FROM (SELECT id360, sales_order_id, ordered_at AS moment FROM sales_order) o ASOF LEFT JOIN (SELECT id360, case_id, opened_at AS moment FROM support_case) c USING (id360, moment)
-- title: asof join in a derived table, filtered above it
SELECT * FROM (SELECT o.sales_order_id, c.satisfaction, c.priority AS p FROM sales_order o ASOF JOIN support_case c ON o.ordered_at >= c.opened_at) t WHERE t.p = 'high'
-- title: lateral subquery with a limit
SELECT i.id360, t.moment FROM individual i, LATERAL (SELECT t.at AS moment FROM timeline t WHERE t.id360 = i.id360 ORDER BY t.at DESC NULLS LAST LIMIT 1) t WHERE i.city = 'Kiel'

-- title: derived table
SELECT t.who, t.status FROM (SELECT id360 AS who, status, total_amount FROM sales_order WHERE items > 0) t WHERE t.status = 'paid' AND t.total_amount > 5
-- title: derived table with a limit
SELECT * FROM (SELECT case_id, status FROM support_case ORDER BY opened_at, case_id LIMIT 9) t WHERE t.status = 'open'
-- title: a CTE used once
WITH o AS (SELECT * FROM sales_order) SELECT sales_order_id FROM o WHERE status = 'open' AND channel = 'web'
-- title: a CTE used twice
WITH o AS (SELECT id360, status, total_amount FROM sales_order WHERE status = 'paid') SELECT a.id360, b.total_amount FROM o a JOIN o b ON a.id360 = b.id360 WHERE a.total_amount > 5
-- title: a CTE named as a view
WITH individual AS (SELECT * FROM individual WHERE city = 'Kiel') SELECT id360 FROM individual WHERE country = 'DE'
-- title: a CTE of a CTE, shadowed further in
WITH a AS (SELECT id360, status FROM support_case), b AS (SELECT * FROM (WITH a AS (SELECT id360, status FROM sales_order) SELECT * FROM a)) SELECT * FROM a JOIN b ON a.id360 = b.id360 WHERE b.status = 'paid' AND a.status = 'open'
-- title: a CTE read by several subqueries
WITH k AS (SELECT id360 FROM individual WHERE city = 'Kiel') SELECT (SELECT count(*) FROM k), (SELECT count(*) FROM sales_order WHERE id360 IN (SELECT id360 FROM k))
-- title: union with a filter above
SELECT * FROM (SELECT id360, status FROM support_case UNION ALL SELECT id360, status FROM sales_order) t WHERE t.status = 'open'
-- title: union of differing types
SELECT * FROM (SELECT status AS c FROM sales_order UNION ALL SELECT items FROM sales_order) t WHERE c < '3'
-- title: union of dates and timestamps
SELECT count(*) FROM (SELECT birth_date AS d FROM individual UNION ALL SELECT created_at FROM individual) t WHERE d < '1980-01-01 12:00:00'
-- title: union by name
SELECT * FROM (SELECT id360, status FROM consent UNION ALL BY NAME SELECT status, id360, priority FROM support_case) t WHERE status = 'granted'
-- title: union, except, intersect
SELECT email FROM individual UNION SELECT email FROM engagement_email EXCEPT SELECT email FROM individual WHERE city = 'Kiel'
-- title: intersect with a filter above
SELECT * FROM (SELECT email FROM individual INTERSECT SELECT email FROM engagement_email) t WHERE email LIKE 'p%'
-- title: except all with a filter above
SELECT * FROM (SELECT status FROM sales_order EXCEPT ALL SELECT status FROM support_case) t WHERE status = 'open'

-- title: group by and having
SELECT status, count(*), sum(items) FROM sales_order GROUP BY status HAVING status LIKE 'p%' OR count(*) > 20
-- title: filter on a key of a group
SELECT * FROM (SELECT status, channel, count(*) AS n FROM sales_order GROUP BY ALL) t WHERE status = 'paid' AND n > 1
-- title: filter on the empty group of a rollup
SELECT * FROM (SELECT status, sum(items) AS n FROM sales_order GROUP BY ROLLUP (status)) t WHERE status IS NULL
-- title: which columns a grouping set leaves out
SELECT status, channel, grouping(status) AS g, grouping_id(status, channel) AS b, count(*) AS n FROM sales_order GROUP BY CUBE (status, channel)
-- title: aggregates of every kind
SELECT sum(total_amount), avg(items), min(ordered_at), max(status), count(DISTINCT id360), count(*) FILTER (WHERE status = 'paid') FROM sales_order
-- title: distinct
SELECT DISTINCT status, currency FROM sales_order WHERE total_amount > 10
-- title: filter above DISTINCT ON
SELECT * FROM (SELECT DISTINCT ON (id360) id360, status FROM support_case ORDER BY id360, opened_at, case_id) t WHERE status = 'open'
-- title: a window and QUALIFY
SELECT id360, case_id FROM support_case WHERE status = 'open' QUALIFY row_number() OVER (PARTITION BY id360 ORDER BY opened_at, case_id) = 1
-- title: filter above a window
SELECT * FROM (SELECT id360, status, row_number() OVER (PARTITION BY id360 ORDER BY opened_at, case_id) AS n FROM support_case) t WHERE n = 1 AND status = 'open'
-- title: running sums
SELECT sales_order_id, sum(items) OVER (PARTITION BY id360 ORDER BY ordered_at, sales_order_id ROWS UNBOUNDED PRECEDING) FROM sales_order WHERE items < 10

-- title: top of one branch
-- rows: ordered
SELECT case_id, opened_at FROM support_case ORDER BY opened_at DESC, case_id LIMIT 4
-- title: top with NULLs first and an offset
-- rows: ordered
SELECT case_id, satisfaction FROM support_case ORDER BY satisfaction DESC NULLS FIRST, opened_at, case_id LIMIT 5 OFFSET 12
-- title: top of a union view by a decimal that a mapping rounds
-- rows: ordered
SELECT total_amount, sales_order_id, ordered_at FROM sales_order WHERE total_amount BETWEEN 1 AND 2 ORDER BY total_amount, sales_order_id, ordered_at LIMIT 5
-- title: top under a filter that no source knows
-- rows: ordered
SELECT case_id FROM support_case WHERE (status = 'open' AND length(subject) = 6) AND is_escalated ORDER BY opened_at, case_id LIMIT 3
-- title: some rows
-- rows: count
SELECT sales_order_id FROM sales_order WHERE status = 'paid' LIMIT 7
-- title: a share of the rows
-- rows: count
SELECT sales_order_id FROM sales_order WHERE status = 'paid' LIMIT 10 PERCENT
-- title: the latest of the timeline
-- rows: ordered
SELECT t.at, t.kind, t.id360, t.summary FROM timeline t ORDER BY t.at DESC NULLS LAST, t.kind, t.id360, t.summary, t.details LIMIT 10
-- title: one kind of the timeline
SELECT t.at, t.summary, t.details FROM timeline t WHERE t.kind = 'case' AND t.source = 'crm'
-- title: the timeline of a person
-- params: {'id': ids[14], 'since': dt.datetime(2023, 6, 1)}
SELECT t.at, t.kind, t.source, t.summary FROM timeline t WHERE t.id360 = $id AND t.at >= $since
-- title: the latest of one kind
-- rows: ordered
SELECT t.at, t.summary FROM timeline t WHERE t.kind = 'case' ORDER BY t.at DESC, t.summary LIMIT 4
-- title: kinds of the timeline
SELECT kind, count(*), count(id360), min(t.at) FROM timeline t WHERE kind IN ('order', 'email', 'nothing') GROUP BY kind

-- title: exists over a decimal
SELECT i.id360 FROM individual i WHERE EXISTS (SELECT 1 FROM sales_order o WHERE o.id360 = i.id360 AND o.total_amount > 5)
-- title: not exists
SELECT i.id360 FROM individual i WHERE NOT EXISTS (SELECT 1 FROM sales_order o WHERE o.id360 = i.id360 AND o.status = 'paid') AND i.country = 'DE'
-- title: correlated by an alias that is used within as well
SELECT o.sales_order_id FROM sales_order o WHERE o.items > (SELECT avg(x.items) FROM sales_order x WHERE x.id360 = o.id360 AND o.status = 'paid')
-- title: in a subquery
SELECT id360, email FROM individual WHERE id360 IN (SELECT id360 FROM sales_order WHERE status = 'paid' AND total_amount > 10)
-- title: not in a subquery with NULLs
SELECT id360 FROM individual WHERE id360 NOT IN (SELECT id360 FROM support_case WHERE status = 'open' AND id360 IS NOT NULL)
-- title: scalar subqueries
SELECT i.id360, (SELECT max(o.ordered_at) FROM sales_order o WHERE o.id360 = i.id360) FROM individual i WHERE i.city = 'Kiel'
-- title: any and all
SELECT sales_order_id FROM sales_order WHERE items >= ALL (SELECT items FROM sales_order WHERE items IS NOT NULL)

-- title: dates against now
SELECT sales_order_id FROM sales_order WHERE ordered_at < now() - INTERVAL 30 DAY AND ordered_at >= now() - INTERVAL 20 YEAR
-- title: today
SELECT id360 FROM individual WHERE birth_date < current_date - INTERVAL 60 YEAR
-- title: a text against timestamps of another zone
SELECT sales_order_id, ordered_at FROM sales_order WHERE ordered_at >= '2023-07-01' AND ordered_at < '2023-07-01 22:30:00'
-- title: an instant of another zone
-- params: [dt.datetime(2024, 3, 31, 2, 30, tzinfo=dt.timezone(dt.timedelta(hours=2)))]
SELECT sales_order_id, shipped_at FROM sales_order WHERE shipped_at > ?
-- title: dates for timestamps
-- params: [dt.date(2023, 5, 1), dt.date(2024, 5, 1)]
SELECT sales_order_id FROM sales_order WHERE ordered_at BETWEEN ? AND ?
-- title: parts of dates
SELECT year(ordered_at), count(*) FROM sales_order WHERE date_trunc('month', ordered_at) = DATE '2023-07-01' GROUP BY 1
-- title: parameters of every type
-- params: {'t': 'paid', 'i': 1, 'd': Decimal('10.10'), 'f': 0.5, 'b': True, 'day': dt.date(2023, 1, 1), 'at': dt.datetime(2025, 1, 1)}
SELECT sales_order_id FROM sales_order, (SELECT $f::DOUBLE AS f, $b AS b) WHERE status = $t AND items >= $i AND total_amount > $d AND b AND ordered_at BETWEEN $day AND $at
-- title: parameters that are NULL
-- params: {'t': None, 'i': None}
SELECT sales_order_id FROM sales_order WHERE status = $t OR items IN (1, $i)
-- title: a parameter called as the planner calls its own
-- params: {'v0': 1, 'v': 'x'}
SELECT sales_order_id, $v AS v FROM sales_order WHERE status = 'paid' AND items >= $v0
-- title: a text that looks like a parameter
SELECT sales_order_id, '$v0 $c360_now ?' FROM sales_order WHERE status = 'paid'
-- title: a number computed from a parameter
-- params: {'n': 2**33}
SELECT sales_order_id FROM sales_order WHERE items > $n * 2 - 1
-- title: a number beyond 64 bits
-- params: [2**70]
SELECT sales_order_id FROM sales_order WHERE items < ?
-- title: numbers of other types
-- params: [1.5, Decimal('0.99')]
SELECT sales_order_id, items FROM sales_order WHERE items < ? AND items > ? OR total_amount = 10.1
-- title: a decimal that a mapping rounds
SELECT sales_order_id, total_amount FROM sales_order WHERE total_amount IN (1.00, 1.01, 10.11)
-- title: a double that is a decimal
SELECT id360, score FROM individual WHERE score = 0.1 OR score > 1e200
-- title: comparisons with the constant first
SELECT sales_order_id FROM sales_order WHERE 'paid' = status AND 3 > items
-- title: columns compared with each other
SELECT case_id FROM support_case WHERE status = priority OR opened_at < closed_at
-- title: case expressions and arithmetic
SELECT sales_order_id, CASE WHEN total_amount > 10 THEN 'big' ELSE status END AS size, round(total_amount * 1.19, 2) FROM sales_order WHERE CASE WHEN items > 1 THEN status = 'paid' ELSE true END
-- title: quoted aliases and columns
SELECT i."email" AS "E-Mail", "i"."city" AS "select" FROM individual AS "i" WHERE "i"."city" = 'Kiel' ORDER BY "E-Mail"
-- title: names in other case
SELECT I.EMAIL FROM Individual I WHERE I.City = 'Kiel'
-- title: an alias in WHERE and GROUP BY
SELECT upper(status) AS s, count(*) AS n FROM sales_order WHERE s = 'PAID' GROUP BY s HAVING n > 1
-- title: star without, with, renamed
SELECT * EXCLUDE (email, phone) REPLACE (upper(city) AS city) FROM individual WHERE country = 'DE'
-- title: FROM first
FROM sales_order SELECT sales_order_id WHERE status = 'open'
-- title: the case object under its own name
-- text: no
SELECT c.case_id, c.subject FROM case c WHERE c.status = 'Open' OR c.subject = '100%'
-- title: lineage
-- text: no
SELECT _source, _table, _key, sales_order_id FROM sales_order WHERE _source = 'club' AND status = 'paid'
-- title: no branch is left
-- text: no
SELECT status, total_amount FROM sales_order WHERE _source = 'nowhere' AND status LIKE 'p%' AND total_amount > 1
-- title: an attribute of some branches only
SELECT sales_order_id, store, channel FROM sales_order WHERE store = 'Kiel' OR channel IS NULL
-- title: records of one source
SELECT id360, source, key, email, segment FROM individual_record WHERE source = 'shop' AND city IS NOT NULL
-- title: records by attribute
SELECT id360, source, email FROM individual_record WHERE email LIKE 'P%' OR id360 IS NULL
-- title: the crosswalk
-- as: root
SELECT id360, source, source_table, key FROM crosswalk WHERE source = 'shop'
-- title: the crosswalk of a person, and their records
-- as: root
-- params: [ids[6]]
SELECT c.key, r.email FROM crosswalk c JOIN individual_record r ON r.id360 = c.id360 AND r.source = c.source AND r.key = c.key WHERE c.id360 = ?
-- title: raw tables
-- as: root
-- text: no
SELECT c.id, c.updated, c.email FROM raw.crm.contact c WHERE c.updated >= '2024-01-02' AND c.id < 50
-- title: raw beside unified
-- as: root
-- text: no
SELECT i.id360, c.tenant, c.mail FROM raw.shop.customer c JOIN individual i ON i.email = c.mail WHERE c.mail LIKE 'p%' AND c.country = 'DE'
-- title: masked text
-- as: ana
SELECT id360, email, phone, birth_date FROM individual WHERE email LIKE '***@x%' OR email = 'p1@x.co'
-- title: a mask that is NULL
-- as: ana
SELECT id360, coupon FROM sales_order WHERE coupon IS NULL AND total_amount = 10 OR coupon LIKE 'S%'
-- title: a masked date
-- as: ana
SELECT id360, birth_date FROM individual WHERE birth_date = DATE '1960-01-01' OR birth_date > DATE '1990-02-02'
-- title: masked records
-- as: ana
SELECT source, email, phone, country FROM individual_record WHERE phone IS NULL AND email LIKE '%org'
-- title: what a mask hides cannot be joined by
-- as: ana
SELECT e.engagement_email_id, i.id360 FROM engagement_email e JOIN individual i ON i.email = e.email
-- title: a filter for all but some
-- as: root, ana, local
SELECT status, count(*) FROM consent GROUP BY 1
-- title: a filter's rows on the timeline
-- as: root, ana, local
SELECT kind, count(*), max(t.summary) FROM timeline t WHERE kind IN ('order', 'consent') GROUP BY 1
