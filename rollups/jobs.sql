-- The jobs of TimescaleDB for display, with the result of their last run.

-- describe_jobs --
-- Those on our relations.
SELECT j.kind || ' of ' || j.relation AS name, s.last_run_started_at AS last_run_at, s.last_run_status AS last_status,
       s.next_start AS next_run_at, s.total_runs AS runs, s.total_failures AS failures
FROM agent_storage_jobs() j
LEFT JOIN timescaledb_information.job_stats s ON s.job_id = j.job_id
WHERE j.relation = ANY (:relations)
ORDER BY name

-- count_late_devices --
-- Devices whose charts read raw samples, because rollups may lack late ones.
SELECT count(*) FROM agent_devices WHERE NOT soft_delete AND late_from IS NOT NULL
