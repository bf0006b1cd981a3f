-- Sizes of the storage by day.

-- note_sizes --
-- Today's sizes.
WITH relation AS (
    SELECT COALESCE(c.view_name, h.table_name)::text AS name,
           hypertable_approximate_size(format('%I.%I', h.schema_name, h.table_name)::regclass) AS bytes
    FROM _timescaledb_catalog.hypertable h
    LEFT JOIN timescaledb_information.continuous_aggregates c
      ON c.materialization_hypertable_schema = h.schema_name AND c.materialization_hypertable_name = h.table_name
    WHERE COALESCE(c.view_name, h.table_name)::text ~ '^agent_(metrics|series)(_|$)'
    UNION ALL
    SELECT 'database', pg_database_size(current_database())
)
INSERT INTO agent_storage_sizes (day, relation, bytes)
SELECT :today::date, name, bytes FROM relation WHERE bytes IS NOT NULL
ON CONFLICT (day, relation) DO UPDATE SET bytes = EXCLUDED.bytes

-- read_growth --
-- Bytes a day between the first and the last size of each relation.
SELECT relation, (last(bytes, day) - first(bytes, day))::float8 / (max(day) - min(day)) AS per_day
FROM agent_storage_sizes
WHERE day >= :first_day
GROUP BY relation
HAVING max(day) > min(day)

-- read_size --
SELECT pg_database_size(current_database())

-- read_days --
-- The size of the database by day.
SELECT day, bytes FROM agent_storage_sizes WHERE relation = 'database' AND day >= :first_day ORDER BY day
