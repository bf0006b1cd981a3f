-- The way back from `refresh_within_source.sql`: TimescaleDB's own refresh policies, with the values of the jobs.

-- restore_policies --
DO $body$
DECLARE
    job record;
BEGIN
    FOR job IN SELECT * FROM agent_storage_jobs() WHERE kind = 'refresh' LOOP
        PERFORM delete_job(job.job_id);
        PERFORM remove_continuous_aggregate_policy(job.relation::regclass, if_exists => true);
        PERFORM alter_job(
            add_continuous_aggregate_policy(
                job.relation::regclass, (job.config ->> 'start_offset')::interval, (job.config ->> 'end_offset')::interval,
                job.every, buckets_per_batch => 0),
            scheduled => job.scheduled);
    END LOOP;
END $body$;
