-- Statements that the gateway refuses, with the code it refuses them by. `-- expect: CODE` holds until the next one.
-- Statements are separated by lines of ---- (so that `;` can be part of one).

-- expect: C360_NOT_ONE_SELECT
VALUES (getenv('HOME'))
----
CREATE TABLE t (a int)
----
CREATE OR REPLACE VIEW individual AS SELECT 1
----
CREATE MACRO m(a) AS a + 1
----
CREATE PERSISTENT SECRET s (TYPE s3)
----
DROP VIEW c360_r0
----
INSERT INTO individual VALUES (1)
----
UPDATE individual SET email = 'x'
----
DELETE FROM individual
----
MERGE INTO individual USING sales_order ON true WHEN MATCHED THEN DELETE
----
COPY individual TO '/tmp/x.csv'
----
COPY (SELECT 1) TO '/tmp/x.parquet'
----
ATTACH ':memory:' AS m
----
ATTACH 'crm.duckdb' AS crm
----
DETACH m
----
USE m
----
SET search_path = 'main'
----
SET VARIABLE role = 'admin'
----
RESET memory_limit
----
PRAGMA database_list
----
PRAGMA enable_profiling
----
CALL pragma_version()
----
CALL duckdb_settings()
----
EXPLAIN SELECT * FROM individual
----
EXPLAIN ANALYZE SELECT * FROM individual
----
PREPARE q AS SELECT 1
----
EXECUTE q
----
DEALLOCATE q
----
LOAD httpfs
----
INSTALL httpfs
----
CHECKPOINT
----
VACUUM
----
BEGIN
----
COMMIT
----
SELECT 1; SELECT 2
----
SELECT 1; DROP TABLE x
----
SELECT * FROM individual; -- ok
DELETE FROM individual
----
SHOW TABLES
----
SHOW ALL TABLES
----
DESCRIBE individual
----
DESC individual
----
SUMMARIZE individual
----
SUMMARIZE SELECT * FROM individual
----
PIVOT individual ON city USING count(*)
----
UNPIVOT individual ON city, country INTO NAME n VALUE v
----

----
-- nothing but a comment
----
;
----
COMMENT ON VIEW c360_r0 IS 'x'
----
ALTER TABLE individual ADD COLUMN x int
----
TRUNCATE individual
----
ANALYZE

-- expect: C360_QUERY_SYNTAX
IMPORT DATABASE '/tmp/x'
----
EXPORT DATABASE '/tmp/x'
----
SELEC 1
----
SELECT FROM WHERE
----
SELECT * FROM individual WHERE
----
SELECT 'unclosed
----
SELECT "unclosed FROM individual
----
SELECT (1

-- expect: C360_FUNCTION_REFUSED
SELECT * FROM a.b.c.read_text('/etc/passwd')
----
SELECT * FROM a.b.c.d.read_text('/etc/passwd')
----
SELECT read_text('/etc/passwd')
----
SELECT * FROM read_text('/etc/passwd')
----
SELECT * FROM read_blob('/etc/passwd')
----
SELECT * FROM read_csv('/etc/passwd')
----
SELECT * FROM read_csv_auto('/etc/passwd')
----
SELECT * FROM read_parquet('x.parquet')
----
SELECT * FROM parquet_metadata('x.parquet')
----
SELECT * FROM read_json('/etc/passwd')
----
SELECT * FROM read_ndjson_objects('/etc/passwd')
----
SELECT * FROM sniff_csv('/etc/passwd')
----
SELECT * FROM glob('/etc/*')
----
SELECT * FROM "read_text"('/etc/passwd')
----
SELECT "read_text"('/etc/passwd')
----
SELECT * FROM system.main.read_text('/etc/passwd')
----
SELECT main.read_text('/etc/passwd')
----
SELECT '/etc/passwd'.read_text()
----
SELECT getenv('HOME')
----
SELECT GETENV('HOME')
----
SELECT "GetEnv"('HOME')
----
SELECT getvariable('role')
----
SELECT current_setting('memory_limit')
----
SELECT * FROM query('SELECT 1')
----
SELECT * FROM query_table('sqlite_master')
----
SELECT * FROM query_table(['sqlite_master'])
----
SELECT * FROM json_execute_serialized_sql('{}')
----
SELECT json_serialize_sql('SELECT 1')
----
SELECT json_deserialize_sql('{}')
----
SELECT json_serialize_plan('SELECT 1')
----
SELECT * FROM duckdb_settings()
----
SELECT * FROM duckdb_tables()
----
SELECT * FROM duckdb_views()
----
SELECT * FROM duckdb_columns()
----
SELECT * FROM duckdb_secrets()
----
SELECT * FROM duckdb_databases()
----
SELECT * FROM duckdb_functions()
----
SELECT * FROM duckdb_logs()
----
SELECT * FROM duckdb_memory()
----
SELECT * FROM duckdb_temporary_files()
----
SELECT * FROM pragma_storage_info('x')
----
SELECT * FROM pragma_table_info('c360_r')
----
SELECT * FROM pragma_user_agent()
----
SELECT * FROM test_all_types()
----
SELECT * FROM which_secret('x', 's3')
----
SELECT * FROM summary((SELECT 1))
----
SELECT * FROM range(100000000000)
----
SELECT * FROM generate_series(1, 100000000000)
----
SELECT range(1000000000)
----
SELECT generate_series(1, 1000000000)
----
SELECT * FROM repeat_row('x', num_rows = 100000000000)
----
SELECT * FROM histogram('sqlite_master', 'name')
----
SELECT * FROM histogram('duckdb_databases', 'database_name')
----
SELECT * FROM histogram(individual, city)
----
SELECT * FROM histogram_values('sqlite_master', 'name')
----
SELECT * FROM lower('x')
----
SELECT stats(city) FROM individual
----
SELECT error('x')
----
SELECT nextval('s')
----
SELECT setseed(0.5)
----
SELECT random()
----
SELECT uuid()
----
SELECT sleep_ms(100000)
----
SELECT write_log('x')
----
SELECT version()
----
SELECT current_user
----
SELECT current_schema()
----
SELECT current_database()
----
SELECT pg_typeof(1)
----
SELECT has_table_privilege('x', 'select')
----
SELECT txid_current()
----
SELECT vector_type(city) FROM individual
----
SELECT list_aggregate([1, 2], 'sum')
----
SELECT array_aggr([1, 2], 'sum')
----
SELECT in_search_path('main', 'x')
----
SELECT can_cast_implicitly(1, 2)
----
SELECT * FROM (SELECT lower(getenv('HOME')))
----
WITH a AS (SELECT getenv('HOME') AS h) SELECT h FROM a
----
SELECT list_transform([1], x -> getenv('HOME'))
----
SELECT [getenv(x) FOR x IN ['HOME']]
----
SELECT count(*) FILTER (WHERE getenv('HOME') = 'x') FROM individual
----
SELECT sum(points) OVER (ORDER BY getenv('HOME')) FROM individual
----
SELECT city FROM individual ORDER BY getenv('HOME')
----
SELECT city FROM individual GROUP BY getenv('HOME'), city
----
SELECT city FROM individual LIMIT (SELECT length(getenv('HOME')))
----
SELECT city FROM individual QUALIFY row_number() OVER (ORDER BY getenv('HOME')) = 1
----
SELECT CASE WHEN true THEN getenv('HOME') END
----
SELECT {'a': getenv('HOME')}
----
SELECT CAST(getenv('HOME') AS INT)
----
SELECT * FROM (VALUES (getenv('HOME'))) AS t(x)

-- expect: C360_UNKNOWN_OBJECT
SELECT * FROM a.b.c.d.e
----
SELECT * FROM nothing
----
SELECT * FROM sqlite_master
----
SELECT * FROM sqlite_temp_master
----
SELECT * FROM duckdb_tables
----
SELECT * FROM duckdb_views
----
SELECT * FROM duckdb_databases
----
SELECT * FROM pragma_database_list
----
SELECT * FROM information_schema.tables
----
SELECT * FROM information_schema.columns
----
SELECT * FROM pg_catalog.pg_tables
----
SELECT * FROM pg_tables
----
SELECT * FROM system.information_schema.tables
----
SELECT * FROM main.individual
----
SELECT * FROM memory.main.individual
----
SELECT * FROM xw1.main.link
----
SELECT * FROM '/etc/passwd'
----
SELECT * FROM 'x.parquet'
----
SELECT * FROM "/etc/passwd"
----
FROM '/etc/passwd'
----
FROM sqlite_master SELECT *
----
TABLE sqlite_master
----
WITH nothing AS (SELECT * FROM nothing) SELECT * FROM nothing
----
WITH sqlite_master AS (SELECT * FROM sqlite_master) SELECT * FROM sqlite_master
----
SELECT * FROM (WITH x AS (SELECT 1) SELECT * FROM x) AS t, x
----
(WITH x AS (SELECT 1 AS a) SELECT a FROM x) UNION ALL SELECT a FROM x
----
WITH a AS (SELECT * FROM b), b AS (SELECT * FROM a) SELECT * FROM b
----
WITH a AS (WITH b AS (SELECT 1) SELECT * FROM b) SELECT * FROM b
----
SELECT * FROM individual WHERE EXISTS (SELECT 1 FROM sqlite_master)
----
SELECT (SELECT sql FROM sqlite_master LIMIT 1)
----
SELECT * FROM individual JOIN duckdb_views ON true
----
SELECT 1 UNION SELECT name FROM sqlite_master
----
SELECT * FROM python_variable

-- expect: C360_POLICY_REFUSED
SELECT * FROM raw.crm.main.contact
----
SELECT * FROM individual_record
----
SELECT * FROM crosswalk
----
SELECT * FROM raw.crm.contact
----
SELECT * FROM RAW.CRM.CONTACT
----
SELECT * FROM "raw"."crm"."contact"
----
SELECT * FROM raw.shop.orders
----
SELECT * FROM raw.crm.not_a_table
----
SELECT * FROM "case"
----
SELECT * FROM support_case
----
WITH raw AS (SELECT 1) SELECT * FROM raw.crm.contact
----
WITH contact AS (SELECT 1 AS a) SELECT * FROM raw.crm.contact
----
WITH crosswalk AS (SELECT * FROM crosswalk) SELECT * FROM crosswalk
----
SELECT * FROM individual WHERE id360 IN (SELECT id360 FROM crosswalk)
----
SELECT (SELECT max(key) FROM crosswalk)
----
SELECT count(*) FROM individual_record

-- expect: C360_UNKNOWN_COLUMN
SELECT nope FROM individual
----
SELECT current_role FROM individual
----
SELECT rowid FROM individual
----
SELECT filename FROM individual
----
SELECT individual.mail FROM individual
----
SELECT i.email FROM individual
----
SELECT _key FROM individual

-- expect: C360_NOT_SUPPORTED
SELECT * FROM repeat('x', 100000000000)
----
SELECT lpad(city, 2000000000, 'x') FROM individual
----
SELECT city.lpad(2000000000, 'x') FROM individual
----
SELECT "repeat"(city, 2000000000) FROM individual
----
SELECT repeat(repeat(city, 900), 900) FROM individual
----
SELECT rpad(city, points, 'x') FROM individual
----
SELECT #1 FROM individual
----
SELECT * FROM temp.main.c360_x
----
SELECT * FROM individual, LATERAL read_text(city)
----
SELECT * FROM individual, LATERAL duckdb_settings()
----
SELECT COLUMNS('.*') FROM individual
----
SELECT COLUMNS(*) FROM individual
----
SELECT min(COLUMNS(*)) FROM individual
----
SELECT COLUMNS(c -> c LIKE 'e%') FROM individual
----
SELECT * FROM (PIVOT individual ON city USING count(*))
----
SELECT * FROM individual PIVOT (count(*) FOR city IN ('a'))
----
SELECT * FROM individual UNPIVOT (v FOR n IN (city, country))
----
WITH RECURSIVE t AS (SELECT 1 AS a UNION ALL SELECT a + 1 FROM t) SELECT * FROM t
----
WITH RECURSIVE t(a) AS (SELECT 1 UNION ALL SELECT a FROM t) SELECT * FROM t LIMIT 5
----
SELECT individual FROM individual
----
SELECT i FROM individual i
----
SELECT to_json(i) FROM individual i
----
SELECT row_to_json(individual) FROM individual
----
SELECT * FROM individual FOR UPDATE
----
SELECT * FROM individual AT (VERSION => 1)
----
SELECT * FROM individual AT (TIMESTAMP => now())
----
WITH c360_r0 AS (SELECT 1) SELECT * FROM c360_r0
----
WITH C360_R0 AS (SELECT 1) SELECT * FROM individual
----
SELECT * FROM c360_r0
----
SELECT * FROM individual AS c360_r0
----
SELECT * FROM individual AS "C360_r1"
----
SELECT city AS c360_x FROM individual
----
SELECT c360_x FROM individual
----
SELECT c360_r0.city FROM individual
----
SELECT * FROM (SELECT 1) AS t(c360_a)
----
SELECT list_transform([1], c360_x -> c360_x)
----
SELECT {'c360_a': 1}
----
SELECT sum(points) OVER c360_w FROM individual WINDOW c360_w AS (ORDER BY city)
----
SELECT $c360_now
----
SELECT $c360_p1
----
SELECT $C360_P1
----
SELECT * FROM individual, LATERAL information_schema.tables
----
SELECT '{}' -> 'a' -> 'a' -> 'a' -> 'a' -> 'a' -> 'a' -> 'a' -> 'a'
