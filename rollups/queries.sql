-- What reading and refreshing the levels asks of TimescaleDB's catalogue, and of a device.

-- get_charted_device --
-- A device that the caller may see, and how often it uploads; no row otherwise. $1 device, $2 tenant.
SELECT id, metrics_interval_seconds
FROM agent_devices
WHERE id = $1 AND NOT soft_delete AND ($2::uuid IS NULL OR business_id = $2)

-- get_watermarks --
-- How far each level is materialised (UTC): below it the rollup is complete, from it on raw samples are read.
SELECT c.view_name::text AS relation,
       GREATEST(_timescaledb_functions.to_timestamp(_timescaledb_functions.cagg_watermark(h.id)), 'epoch') AS watermark
FROM timescaledb_information.continuous_aggregates c
JOIN _timescaledb_catalog.hypertable h
  ON h.schema_name = c.materialization_hypertable_schema AND h.table_name = c.materialization_hypertable_name
WHERE c.view_name = ANY ($1::text[])

-- list_policy_jobs --
-- The jobs of our relations: refresh (finest level first), columnstore, retention.
SELECT j.job_id, j.proc_name, COALESCE(c.view_name, j.hypertable_name)::text AS relation, j.schedule_interval
FROM timescaledb_information.jobs j
LEFT JOIN timescaledb_information.continuous_aggregates c
  ON c.materialization_hypertable_schema = j.hypertable_schema
 AND c.materialization_hypertable_name = j.hypertable_name
WHERE COALESCE(c.view_name, j.hypertable_name) = ANY ($1::text[])

-- run_job --
-- Run one policy now, in the foreground. $1 job.
CALL run_job($1)
