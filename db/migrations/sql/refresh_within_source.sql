-- Refresh by a procedure that never begins before the oldest chunk of its source: where the source has none any more, a
-- refresh would replace good rollups with nothing.

-- agent_refresh_rollup --
-- The refresh of one level, as a job of TimescaleDB. `config` has its schema, relation, source, bucket, start_offset and
-- end_offset. It begins at the oldest chunk of its source or later, and never before what retention of the source may be
-- dropping meanwhile. In one piece: by default TimescaleDB refreshes ten buckets at a time.
CREATE PROCEDURE agent_refresh_rollup(job_id integer, config jsonb) LANGUAGE plpgsql AS $body$
DECLARE
    rollup regclass := format('%I.%I', config ->> 'schema', config ->> 'relation')::regclass;
    ends timestamptz := now() - (config ->> 'end_offset')::interval;
    begins timestamptz := now() - (config ->> 'start_offset')::interval;
    source record;
    oldest timestamptz;
    kept_from timestamptz;
BEGIN
    SELECT COALESCE(c.materialization_hypertable_schema, n.schema) AS schema,
           COALESCE(c.materialization_hypertable_name, n.relation) AS relation
    INTO source
    FROM (VALUES (config ->> 'schema', config ->> 'source')) AS n (schema, relation)
    LEFT JOIN timescaledb_information.continuous_aggregates c
      ON (c.view_schema, c.view_name) = (n.schema, n.relation);
    SELECT min(k.range_start) INTO oldest
    FROM timescaledb_information.chunks k
    WHERE (k.hypertable_schema, k.hypertable_name) = (source.schema, source.relation);
    SELECT max(now() - (j.config ->> 'drop_after')::interval) INTO kept_from
    FROM timescaledb_information.jobs j
    WHERE j.proc_name = 'policy_retention'
      AND j.hypertable_name IN (source.relation, agent_refresh_rollup.config ->> 'source');
    IF oldest IS NULL THEN
        RETURN; -- nothing to compute from
    END IF;
    begins := GREATEST(begins, oldest, kept_from);
    IF ends - begins < 2 * (config ->> 'bucket')::interval THEN
        RETURN; -- not one whole bucket
    END IF;
    CALL refresh_continuous_aggregate(rollup, begins, ends, options => '{"buckets_per_batch": 0}');
END $body$;

-- agent_storage_jobs --
-- The jobs on our relations. No view: TimescaleDB could not be upgraded, because it makes its own views anew.
CREATE FUNCTION agent_storage_jobs() RETURNS TABLE (
    job_id integer, relation text, kind text, procedure text, scheduled boolean, every interval, config jsonb
) LANGUAGE sql STABLE AS $body$
    SELECT j.job_id, COALESCE(c.view_name, j.hypertable_name, j.config ->> 'relation')::text,
           CASE j.proc_name WHEN 'policy_retention' THEN 'retention' WHEN 'policy_compression' THEN 'columnstore'
                            WHEN 'agent_refresh_rollup' THEN 'refresh' ELSE 'unbounded refresh' END,
           j.proc_name::text, j.scheduled, j.schedule_interval, j.config
    FROM timescaledb_information.jobs j
    LEFT JOIN timescaledb_information.continuous_aggregates c
      ON (j.hypertable_schema, j.hypertable_name) IN (
          (c.materialization_hypertable_schema, c.materialization_hypertable_name), (c.view_schema, c.view_name))
    WHERE j.proc_name IN ('policy_retention', 'policy_compression', 'agent_refresh_rollup',
                          'policy_refresh_continuous_aggregate')
$body$;

-- agent_set_policy --
-- Schedule a storage policy or take it out of the schedule, and set one of its values. It runs as the owner of the
-- tables, whom TimescaleDB wants for this; only a role that may change retention can use it.
CREATE OR REPLACE FUNCTION agent_set_policy(
    policy_job integer, is_scheduled boolean, value_name text DEFAULT NULL, value interval DEFAULT NULL,
    starts timestamptz DEFAULT NULL
) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $body$
BEGIN
    IF NOT has_table_privilege(session_user, 'agent_retention_changes', 'INSERT') THEN
        RAISE insufficient_privilege USING MESSAGE = 'permission denied to change storage policies';
    END IF;
    IF value_name NOT IN ('drop_after', 'start_offset') THEN
        RAISE invalid_parameter_value USING MESSAGE = 'only drop_after and start_offset can be set';
    END IF;
    PERFORM alter_job(j.job_id, scheduled => is_scheduled, next_start => starts,
                      config => CASE WHEN value_name IS NULL THEN j.config
                                     ELSE jsonb_set(j.config, ARRAY[value_name], to_jsonb(value::text)) END)
    FROM agent_storage_jobs() j
    WHERE j.job_id = policy_job AND j.kind <> 'columnstore';
    IF NOT FOUND THEN
        RAISE invalid_parameter_value USING MESSAGE = 'no retention or refresh policy has this job id';
    END IF;
END $body$;

-- replace_policies --
-- The refresh policies become jobs of this procedure, with the values that they have; one that was removed comes back.
DO $body$
DECLARE
    level record;
BEGIN
    FOR level IN
        SELECT n.nspname, v.relation, v.source, v.bucket, v.ends,
               COALESCE(j.every, v.every) AS every, COALESCE(j.scheduled, true) AS scheduled,
               COALESCE(j.config ->> 'start_offset', l.refresh_from::text) AS begins
        FROM (VALUES ('5m', 'agent_metrics_5m', 'agent_metrics', '5 minutes', '10 minutes', interval '5 minutes'),
                     ('1h', 'agent_metrics_1h', 'agent_metrics_5m', '1 hour', '1 hour', interval '30 minutes'),
                     ('1d', 'agent_metrics_1d', 'agent_metrics_1h', '1 day', '1 day', interval '6 hours'),
                     ('5m', 'agent_series_5m', 'agent_series_samples', '5 minutes', '10 minutes', interval '5 minutes'),
                     ('1h', 'agent_series_1h', 'agent_series_5m', '1 hour', '1 hour', interval '30 minutes'),
                     ('1d', 'agent_series_1d', 'agent_series_1h', '1 day', '1 day', interval '6 hours')
             ) AS v (level, relation, source, bucket, ends, every)
        JOIN agent_storage_levels l ON l.level = v.level
        JOIN pg_class r ON r.oid = v.relation::regclass
        JOIN pg_namespace n ON n.oid = r.relnamespace
        LEFT JOIN agent_storage_jobs() j ON j.relation = v.relation AND j.kind = 'unbounded refresh'
    LOOP
        PERFORM remove_continuous_aggregate_policy(level.relation::regclass, if_exists => true);
        PERFORM alter_job(
            add_job('agent_refresh_rollup', level.every, fixed_schedule => false,
                    job_name => 'Refresh of ' || level.relation,
                    config => jsonb_build_object(
                        'schema', level.nspname, 'relation', level.relation, 'source', level.source,
                        'bucket', level.bucket, 'start_offset', level.begins, 'end_offset', level.ends)),
            scheduled => level.scheduled);
    END LOOP;
END $body$;

-- agent_retention_functions --
-- A function of the owner must not find a caller's temporary tables: they come last.
DO $body$
BEGIN
    EXECUTE format('ALTER FUNCTION agent_set_policy SET search_path = %s, pg_temp', current_setting('search_path'));
END $body$;
