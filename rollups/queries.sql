-- Statements on TimescaleDB's catalogue and on a device, for reading and refreshing the levels.

-- get_charted_device --
-- What a chart needs of a device that the caller may see, as JSON; null for a device that isn't there.
SELECT agent_charted_device(:device_id, :tenant, :relations)::text

-- get_watermarks --
-- How far each level is materialised (UTC): below it the rollup is complete, from it on raw samples are read. From
-- the catalogue itself: to plan the views over it takes ten times as long.
SELECT c.user_view_name::text AS relation,
       GREATEST(_timescaledb_functions.to_timestamp(w.watermark), 'epoch') AS watermark
FROM _timescaledb_catalog.continuous_agg c
LEFT JOIN _timescaledb_catalog.continuous_aggs_watermark w ON w.mat_hypertable_id = c.mat_hypertable_id
WHERE c.user_view_name = ANY (:relations::text[])

-- list_policy_jobs --
-- The scheduled jobs of our relations: refresh, columnstore, retention.
SELECT job_id, kind, relation, every
FROM agent_storage_jobs()
WHERE scheduled AND relation = ANY (:relations::text[]) AND kind <> 'unbounded refresh'

-- run_job --
-- Run one policy now, in the foreground.
CALL run_job(:job_id)

-- refresh_level --
-- Recompute the changed buckets of a level in a range.
CALL refresh_continuous_aggregate(:relation::text::regclass, :start::timestamptz, :end::timestamptz)

-- describe_levels --
-- Each relation's chunks, size in bytes and watermark (null for raw). Sizes are what the last write left on disk. The
-- columnstore's job runs each 12 hours: a chunk that is younger, however old its samples, hasn't missed it.
WITH levels AS (
    SELECT a.relation, h.id, h.schema_name, h.table_name, c.view_name IS NOT NULL AS is_rollup
    FROM unnest(:relations::text[]) AS a (relation)
    LEFT JOIN timescaledb_information.continuous_aggregates c ON c.view_name = a.relation
    JOIN _timescaledb_catalog.hypertable h
      ON h.table_name = COALESCE(c.materialization_hypertable_name, a.relation)
     AND (c.view_name IS NULL OR h.schema_name = c.materialization_hypertable_schema)
)
SELECT l.relation::text, hypertable_approximate_size(format('%I.%I', l.schema_name, l.table_name)::regclass) AS bytes,
       count(k.*) AS chunks, count(k.*) FILTER (WHERE k.is_compressed) AS columnstore_chunks,
       min(k.range_start) FILTER (WHERE NOT k.is_compressed AND k.chunk_creation_time < now() - interval '13 hours')
           AS oldest_rowstore, min(k.range_start) AS oldest,
       CASE WHEN l.is_rollup THEN
           GREATEST(_timescaledb_functions.to_timestamp(_timescaledb_functions.cagg_watermark(l.id)), 'epoch')
       END AS watermark,
       d.newest, d.since
FROM levels l
CROSS JOIN (SELECT max(current_collected_at) AS newest, min(created_at) AS since FROM agent_devices) d
LEFT JOIN timescaledb_information.chunks k
  ON k.hypertable_schema = l.schema_name AND k.hypertable_name = l.table_name
GROUP BY l.relation, l.id, l.schema_name, l.table_name, l.is_rollup, d.newest, d.since
ORDER BY array_position(:relations::text[], l.relation::text)

-- count_rows --
-- Exact rows of each level; reads every chunk, so for small databases only.
SELECT (SELECT count(*) FROM agent_metrics) AS agent_metrics,
       (SELECT count(*) FROM agent_metrics_5m) AS agent_metrics_5m,
       (SELECT count(*) FROM agent_metrics_1h) AS agent_metrics_1h,
       (SELECT count(*) FROM agent_metrics_1d) AS agent_metrics_1d

-- forget_late --
-- After a refresh of every level: the late samples in its range are rolled up, so charts need not read them raw.
-- :start and :end the range, :now when the refresh began.
UPDATE agent_devices
SET late_from = NULL, late_at = NULL, late_since = NULL, late_before = NULL
WHERE LEAST(late_from, late_before) >= :start AND late_at < :now AND :end > :now
