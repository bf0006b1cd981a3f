-- What a snapshot of a release has beside the schema.

-- list_policies --
-- One line for each job: relation, procedure, interval, and the ages that it works with.
SELECT concat_ws(' ', coalesce(c.view_name, j.hypertable_name), j.proc_name, 'every', j.schedule_interval,
                 j.config ->> 'start_offset', j.config ->> 'end_offset', j.config ->> 'compress_after',
                 j.config ->> 'drop_after') AS line
FROM timescaledb_information.jobs j
LEFT JOIN timescaledb_information.continuous_aggregates c ON c.materialization_hypertable_name = j.hypertable_name
WHERE j.job_id >= 1000
