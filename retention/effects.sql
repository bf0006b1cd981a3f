-- The data that shorter retention would drop.

-- doomed_chunks --
-- The chunks of each relation that end after :after and not after :until: they are dropped by :until and not by
-- :after. No row for a relation that has none. `share` of its bytes. `about_rows` by the catalogue; null where a
-- chunk was never analysed. :relations, :after and :until in parallel.
WITH requested AS (
    SELECT a.relation, a.since, a.before, h.schema_name, h.table_name
    FROM unnest(:relations::text[], :after::timestamptz[], :until::timestamptz[]) AS a (relation, since, before)
    LEFT JOIN timescaledb_information.continuous_aggregates c ON c.view_name = a.relation
    JOIN _timescaledb_catalog.hypertable h
      ON h.table_name = COALESCE(c.materialization_hypertable_name, a.relation)
     AND (c.view_name IS NULL OR h.schema_name = c.materialization_hypertable_schema)
    WHERE a.since < a.before
), chunk AS (
    SELECT a.relation, k.range_start, k.range_end, s.total_bytes,
           k.range_end > a.since AND k.range_end <= a.before AS goes,
           CASE WHEN z.chunk_id IS NOT NULL THEN z.numrows_pre_compression + GREATEST(r.reltuples, 0)
                WHEN r.reltuples >= 0 THEN r.reltuples END AS rows
    FROM requested a
    CROSS JOIN LATERAL chunks_detailed_size(format('%I.%I', a.schema_name, a.table_name)::regclass) s
    JOIN timescaledb_information.chunks k ON k.chunk_schema = s.chunk_schema AND k.chunk_name = s.chunk_name
    JOIN pg_class r ON r.oid = format('%I.%I', s.chunk_schema, s.chunk_name)::regclass
    LEFT JOIN _timescaledb_catalog.compression_chunk_size z
      ON z.chunk_id = _timescaledb_functions.chunk_id_from_relid(r.oid)
)
SELECT relation, count(*) FILTER (WHERE goes) AS chunks,
       COALESCE(sum(total_bytes) FILTER (WHERE goes), 0)::bigint AS bytes,
       COALESCE(sum(total_bytes) FILTER (WHERE goes) / NULLIF(sum(total_bytes), 0), 0)::float8 AS share,
       CASE WHEN bool_and(rows IS NOT NULL) FILTER (WHERE goes) THEN (sum(rows) FILTER (WHERE goes))::bigint END AS about_rows,
       min(range_start) FILTER (WHERE goes) AS oldest, max(range_end) FILTER (WHERE goes) AS until
FROM chunk
GROUP BY relation
HAVING count(*) FILTER (WHERE goes) > 0
ORDER BY array_position(:relations::text[], relation)

-- count_agent_metrics --
-- Rows in [:start, :end); reads what would be dropped.
SELECT count(*) FROM agent_metrics WHERE collected_at >= :start AND collected_at < :end

-- count_agent_metrics_5m --
-- Rows in [:start, :end).
SELECT count(*) FROM agent_metrics_5m WHERE bucket >= :start AND bucket < :end

-- count_agent_metrics_1h --
-- Rows in [:start, :end).
SELECT count(*) FROM agent_metrics_1h WHERE bucket >= :start AND bucket < :end

-- count_agent_metrics_1d --
-- Rows in [:start, :end).
SELECT count(*) FROM agent_metrics_1d WHERE bucket >= :start AND bucket < :end

-- count_agent_series_samples --
-- Rows in [:start, :end).
SELECT count(*) FROM agent_series_samples WHERE collected_at >= :start AND collected_at < :end

-- count_agent_series_5m --
-- Rows in [:start, :end).
SELECT count(*) FROM agent_series_5m WHERE bucket >= :start AND bucket < :end

-- count_agent_series_1h --
-- Rows in [:start, :end).
SELECT count(*) FROM agent_series_1h WHERE bucket >= :start AND bucket < :end

-- count_agent_series_1d --
-- Rows in [:start, :end).
SELECT count(*) FROM agent_series_1d WHERE bucket >= :start AND bucket < :end
