-- Statements of `metric_columns.py`; a revision may run them at any time, so they read the catalogue of PostgreSQL only.

-- columns_of --
-- Columns of a relation with their types, in their order. :relation.
SELECT attname::text AS name, format_type(atttypid, NULL) AS type
FROM pg_attribute
WHERE attrelid = CAST(:relation AS regclass) AND attnum > 0 AND NOT attisdropped
ORDER BY attnum

-- behind --
-- The hypertable behind a continuous aggregate. :relation.
SELECT format('%I.%I', materialization_hypertable_schema, materialization_hypertable_name)
FROM timescaledb_information.continuous_aggregates
WHERE format('%I.%I', view_schema, view_name)::regclass = CAST(:relation AS regclass)

-- storage_of --
-- The policies of a continuous aggregate as they are set now. :relation.
SELECT d.time_interval::text AS chunk,
       max(j.config ->> 'compress_after') AS columnstore_after, max(j.config ->> 'drop_after') AS keep,
       max(j.config ->> 'start_offset') AS start_offset, max(j.config ->> 'end_offset') AS end_offset,
       max(j.schedule_interval::text) FILTER (WHERE j.proc_name IN ('policy_refresh_continuous_aggregate',
                                                                    'agent_refresh_rollup')) AS every
FROM timescaledb_information.continuous_aggregates a
JOIN timescaledb_information.dimensions d
    ON (d.hypertable_schema, d.hypertable_name) = (a.materialization_hypertable_schema, a.materialization_hypertable_name)
-- Old versions name the hypertable behind an aggregate here, new ones the aggregate itself.
JOIN timescaledb_information.jobs j
    ON j.hypertable_name IN (a.view_name, a.materialization_hypertable_name) OR j.config ->> 'relation' = a.view_name
WHERE format('%I.%I', a.view_schema, a.view_name)::regclass = CAST(:relation AS regclass)
GROUP BY d.time_interval

-- grants_of --
-- Statements that grant on :to what roles may do on :relation.
SELECT format('GRANT %s ON %s TO %s', g.privilege_type, CAST(:to AS text),
              CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(g.grantee)) END)
FROM pg_class c, aclexplode(c.relacl) g
WHERE c.oid = CAST(:relation AS regclass) AND g.grantee <> c.relowner

-- refresh_job --
-- The job that refreshes a continuous aggregate: a policy of TimescaleDB, or our procedure. :relation.
SELECT j.job_id
FROM timescaledb_information.continuous_aggregates a
JOIN timescaledb_information.jobs j
    ON j.hypertable_name IN (a.view_name, a.materialization_hypertable_name) OR j.config ->> 'relation' = a.view_name
WHERE format('%I.%I', a.view_schema, a.view_name)::regclass = CAST(:relation AS regclass)
  AND j.proc_name IN ('policy_refresh_continuous_aggregate', 'agent_refresh_rollup')

-- remove_second_refresh --
-- Remove the refresh policy that TimescaleDB wants before a columnstore policy, where our procedure refreshes. :relation.
SELECT remove_continuous_aggregate_policy(CAST(:relation AS regclass), if_exists => true)
WHERE EXISTS (SELECT FROM timescaledb_information.jobs j
              WHERE j.proc_name = 'agent_refresh_rollup' AND j.config ->> 'relation' = CAST(:relation AS text))
