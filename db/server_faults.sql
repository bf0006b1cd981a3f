-- Settings of the server and states of its jobs that an operator must see.

-- describe_jobs_and_settings --
-- One row. Without pg_read_all_stats other sessions are hidden. Each database with TimescaleDB costs a worker for its
-- scheduler; the remaining workers run jobs. :now by the clock of this program.
SELECT current_setting('timescaledb.restoring', true) = 'on' AS restoring,
       COALESCE(current_setting('timescaledb.max_background_workers', true)::integer, 0) AS background_workers,
       (SELECT count(*)::integer FROM pg_stat_activity
        WHERE backend_type LIKE 'TimescaleDB Background Worker%Scheduler%') AS schedulers,
       current_setting('max_worker_processes')::integer AS worker_processes,
       current_setting('max_parallel_workers')::integer AS parallel_workers,
       pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') AS sees_sessions,
       current_setting('server_version_num')::integer AS postgres,
       (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb') AS timescaledb,
       version() LIKE '%emcc%' AS embedded,
       EXTRACT(epoch FROM :now::timestamptz - clock_timestamp())::double precision AS clock_offset_seconds,
       (SELECT COALESCE(sum(runs), 0)::bigint FROM agent_job_runs) AS jobs_run_by_worker

-- list_jobs --
-- Scheduled policies on our relations whose last run failed, or which should have run an hour ago. While a job runs its
-- next start is -infinity. `worked_at`: when the
-- worker ran a failed one with success, within three of its intervals.
SELECT j.job_id, j.kind || ' of ' || j.relation AS name, s.next_start, s.last_run_status = 'Failed' AS failed,
       s.total_failures::integer AS failures, isfinite(s.next_start) AND s.next_start < clock_timestamp() - interval '1 hour' AS late,
       CASE WHEN r.succeeded_at > clock_timestamp() - 3 * j.every - interval '10 minutes' THEN r.succeeded_at END AS worked_at
FROM agent_storage_jobs() j
JOIN timescaledb_information.job_stats s ON s.job_id = j.job_id
LEFT JOIN agent_job_runs r ON r.job_id = j.job_id
WHERE j.scheduled AND j.relation = ANY (:relations::text[])
  AND (s.last_run_status = 'Failed'
       OR isfinite(s.next_start) AND s.next_start < clock_timestamp() - interval '1 hour')
ORDER BY j.job_id
