-- What shorter retention would drop.

-- doomed_chunks --
-- The chunks of each relation that end after $2 and not after $3: what is dropped by $3 and not by $2. No row for a
-- relation that has none. `share` of its bytes. $1 relations, $2 and $3 times (in parallel).
WITH asked AS (
    SELECT a.relation, a.since, a.before, h.schema_name, h.table_name
    FROM unnest($1::text[], $2::timestamptz[], $3::timestamptz[]) AS a (relation, since, before)
    LEFT JOIN timescaledb_information.continuous_aggregates c ON c.view_name = a.relation
    JOIN _timescaledb_catalog.hypertable h
      ON h.table_name = COALESCE(c.materialization_hypertable_name, a.relation)
     AND (c.view_name IS NULL OR h.schema_name = c.materialization_hypertable_schema)
    WHERE a.since < a.before
), chunk AS (
    SELECT a.relation, k.range_start, k.range_end, s.total_bytes, k.range_end > a.since AND k.range_end <= a.before AS goes
    FROM asked a
    CROSS JOIN LATERAL chunks_detailed_size(format('%I.%I', a.schema_name, a.table_name)::regclass) s
    JOIN timescaledb_information.chunks k ON k.chunk_schema = s.chunk_schema AND k.chunk_name = s.chunk_name
)
SELECT relation, count(*) FILTER (WHERE goes) AS chunks,
       COALESCE(sum(total_bytes) FILTER (WHERE goes), 0)::bigint AS bytes,
       COALESCE(sum(total_bytes) FILTER (WHERE goes) / NULLIF(sum(total_bytes), 0), 0)::float8 AS share,
       min(range_start) FILTER (WHERE goes) AS oldest, max(range_end) FILTER (WHERE goes) AS until
FROM chunk
GROUP BY relation
HAVING count(*) FILTER (WHERE goes) > 0
ORDER BY array_position($1::text[], relation)

-- count_agent_metrics --
-- Rows in [$1, $2); reads what would be dropped.
SELECT count(*) FROM agent_metrics WHERE collected_at >= $1 AND collected_at < $2

-- count_agent_metrics_5m --
-- Rows in [$1, $2).
SELECT count(*) FROM agent_metrics_5m WHERE bucket >= $1 AND bucket < $2

-- count_agent_metrics_1h --
-- Rows in [$1, $2).
SELECT count(*) FROM agent_metrics_1h WHERE bucket >= $1 AND bucket < $2

-- count_agent_metrics_1d --
-- Rows in [$1, $2).
SELECT count(*) FROM agent_metrics_1d WHERE bucket >= $1 AND bucket < $2

-- count_agent_series_samples --
-- Rows in [$1, $2).
SELECT count(*) FROM agent_series_samples WHERE collected_at >= $1 AND collected_at < $2

-- count_agent_series_5m --
-- Rows in [$1, $2).
SELECT count(*) FROM agent_series_5m WHERE bucket >= $1 AND bucket < $2

-- count_agent_series_1h --
-- Rows in [$1, $2).
SELECT count(*) FROM agent_series_1h WHERE bucket >= $1 AND bucket < $2

-- count_agent_series_1d --
-- Rows in [$1, $2).
SELECT count(*) FROM agent_series_1d WHERE bucket >= $1 AND bucket < $2
