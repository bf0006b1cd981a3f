-- The schema of this product as text, read from the catalog. Tables of the platform are left out: they are not its own.
-- `:platform`: names of the platform's tables.

-- tables --
-- Tables with their columns, in the order of their names.
SELECT c.relname AS name, CASE WHEN c.relname <> 'rts_agents_alembic_version' THEN obj_description(c.oid, 'pg_class') END AS comment, c.reloptions AS options,
       array_agg(format('%I %s%s%s%s', a.attname, format_type(a.atttypid, a.atttypmod),
                        CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END,
                        CASE WHEN a.attidentity <> '' THEN ' GENERATED ALWAYS AS IDENTITY' ELSE '' END,
                        CASE WHEN a.attgenerated <> '' THEN ' GENERATED ALWAYS AS (' || pg_get_expr(d.adbin, d.adrelid) || ') STORED'
                             WHEN d.adbin IS NOT NULL THEN ' DEFAULT ' || pg_get_expr(d.adbin, d.adrelid) ELSE '' END)
                 ORDER BY a.attname) AS columns
FROM pg_class c
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND c.relname <> ALL (:platform::text[])
GROUP BY c.oid, c.relname, c.reloptions
ORDER BY c.relname

-- constraints --
-- Keys, checks and references of those tables.
SELECT c.relname AS "table", k.conname AS name, pg_get_constraintdef(k.oid) AS definition
FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
WHERE c.relnamespace = current_schema()::regnamespace AND c.relname <> ALL (:platform::text[]) AND k.contype IN ('p', 'u', 'c', 'f', 'x')
ORDER BY c.relname, k.contype DESC, k.conname

-- indexes --
-- Indexes that no constraint made.
SELECT c.relname AS "table", pg_get_indexdef(i.indexrelid) AS definition
FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_class x ON x.oid = i.indexrelid
WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND c.relname <> ALL (:platform::text[])
  AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid)
ORDER BY c.relname, x.relname

-- triggers --
-- Triggers of those tables, without those of TimescaleDB.
SELECT c.relname AS "table", pg_get_triggerdef(t.oid) AS definition
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_proc p ON p.oid = t.tgfoid
WHERE c.relnamespace = current_schema()::regnamespace AND c.relname <> ALL (:platform::text[]) AND NOT t.tgisinternal
  AND p.pronamespace = current_schema()::regnamespace
ORDER BY c.relname, t.tgname

-- functions --
-- Functions that no extension made.
SELECT p.proname AS name, pg_get_functiondef(p.oid) AS definition
FROM pg_proc p
WHERE p.pronamespace = current_schema()::regnamespace AND p.prokind IN ('f', 'p')
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')
ORDER BY p.proname, pg_get_function_identity_arguments(p.oid)

-- aggregates --
-- Aggregates that no extension made.
SELECT p.proname AS name, pg_get_function_arguments(p.oid) AS arguments, a.aggtransfn::text AS step,
       NULLIF(a.aggfinalfn::oid, 0)::regproc::text AS final, format_type(a.aggtranstype, NULL) AS state
FROM pg_aggregate a JOIN pg_proc p ON p.oid = a.aggfnoid
WHERE p.pronamespace = current_schema()::regnamespace
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')
ORDER BY p.proname

-- hypertables --
-- Hypertables with the interval of their chunks.
SELECT hypertable_name AS name, column_name AS "column", time_interval AS chunk
FROM timescaledb_information.dimensions
WHERE hypertable_schema = current_schema() AND dimension_number = 1
ORDER BY hypertable_name

-- rollups --
-- Continuous aggregates with their definitions, and the view over one that does not store all its columns.
SELECT view_name AS name, view_definition AS definition,
       regexp_replace(substring(pg_get_viewdef(format('%I.%I', view_schema, view_name)::regclass) FROM '.*\(.*'),
                      '_materialized_hypertable_\d+', '_materialized_hypertable') AS shown
FROM timescaledb_information.continuous_aggregates
WHERE view_schema = current_schema()
ORDER BY view_name

-- views --
-- Plain views that no extension made.
SELECT c.relname AS name, pg_get_viewdef(c.oid) AS definition
FROM pg_class c
WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'v'
  AND NOT EXISTS (SELECT FROM timescaledb_information.continuous_aggregates g
                  WHERE g.view_schema = current_schema() AND g.view_name = c.relname)
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')
ORDER BY c.relname
