-- Keeps everything but the benchmark from running in its database.

-- pause_policies --
-- The server's scheduler leaves our relations alone.
SELECT alter_job(job_id, scheduled => false) FROM agent_storage_jobs()

-- count_running --
-- Jobs of this database that have begun and not ended.
SELECT count(*) FROM timescaledb_information.job_stats s JOIN agent_storage_jobs() j USING (job_id)
WHERE s.job_status = 'Running'

-- empty --
-- Everything that a fleet has, and the rollups, which are emptied one by one.
TRUNCATE agent_metrics, agent_devices, businesses, users CASCADE

-- empty_5m --
TRUNCATE agent_metrics_5m

-- empty_1h --
TRUNCATE agent_metrics_1h

-- empty_1d --
TRUNCATE agent_metrics_1d

-- settle --
-- What the last step left to be written isn't the next one's. Needs a superuser or pg_checkpoint.
CHECKPOINT
