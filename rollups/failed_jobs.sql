-- Jobs that TimescaleDB marked failed and delays.

-- list_delayed --
-- Scheduled jobs of :relations whose last run the server marked failed, whose interval has passed since that run and since
-- the last one by a worker, and which the server will not run within a minute. `may_run`: by this role.
SELECT j.job_id, j.kind, j.relation, j.every, s.next_start, pg_has_role(i.owner, 'USAGE') AS may_run
FROM agent_storage_jobs() j
JOIN timescaledb_information.job_stats s ON s.job_id = j.job_id
JOIN timescaledb_information.jobs i ON i.job_id = j.job_id
LEFT JOIN agent_job_runs r ON r.job_id = j.job_id
WHERE j.scheduled AND j.relation = ANY (:relations::text[]) AND j.kind <> 'unbounded refresh'
  AND s.last_run_status = 'Failed' AND s.job_status <> 'Running'
  AND s.last_run_started_at + j.every <= :now::timestamptz AND s.next_start > :now + interval '1 minute'
  AND (r.begun_at IS NULL OR r.begun_at + j.every <= :now)

-- lock_job --
-- For this session, against other workers.
SELECT pg_try_advisory_lock(hashtext('rts-agents job'), :job_id::integer)

-- unlock_job --
SELECT pg_advisory_unlock(hashtext('rts-agents job'), :job_id::integer)

-- begin_run --
-- True unless another worker has run this job within its interval. :job_id, :every its interval, :now.
INSERT INTO agent_job_runs AS r (job_id, begun_at) VALUES (:job_id, :now::timestamptz)
ON CONFLICT (job_id) DO UPDATE SET begun_at = EXCLUDED.begun_at WHERE r.begun_at + :every::interval <= EXCLUDED.begun_at
RETURNING true

-- hold_off --
-- The server does not begin this job for the time :hold, or longer where it would not anyway.
SELECT alter_job(:job_id, next_start => GREATEST(s.next_start, clock_timestamp() + :hold::interval))
FROM timescaledb_information.job_stats s WHERE s.job_id = :job_id

-- is_running --
-- Whether the server runs this job now.
SELECT EXISTS (SELECT FROM timescaledb_information.job_stats WHERE job_id = :job_id AND job_status = 'Running')

-- run_job --
-- In the foreground.
CALL run_job(:job_id)

-- delay --
-- The server runs this job at :next_start, as it had planned.
SELECT alter_job(:job_id, next_start => :next_start::timestamptz)

-- end_run --
-- The run ended well: the server tries the next one itself, after one interval.
WITH counted AS (
    UPDATE agent_job_runs SET succeeded_at = clock_timestamp(), runs = runs + 1 WHERE job_id = :job_id
)
SELECT alter_job(:job_id, next_start => clock_timestamp() + :every::interval)

-- ask_scheduler --
-- The server runs this job at once: by a function of the owner, for roles that may not run it themselves.
SELECT agent_set_policy(:job_id, true, starts => clock_timestamp())
