-- Commands on their agent: fetched, started, ended; expired or timed out by the worker.

-- lease_commands --
-- Lease the waiting commands of these devices, oldest first. SKIP LOCKED: two pollers never get the same one. Commands
-- that await approval or have expired are left out. The lease lasts for the command's time-out and :grace.
-- :devices, :now, :grace, :limit, :delivered_by the way of delivery: poll or live.
WITH taken AS (
    SELECT c.id
    FROM agent_commands c
    JOIN agent_devices d ON d.id = c.agent_device_id
    WHERE c.agent_device_id = ANY (:devices::uuid[]) AND c.status = 'pending' AND c.expires_at > :now::timestamptz
      AND (NOT c.approval_required OR c.approved_at IS NOT NULL)
      AND d.is_active AND NOT d.soft_delete AND d.agent_token IS NOT NULL
    ORDER BY c.created_at, c.id
    LIMIT :limit
    FOR UPDATE OF c SKIP LOCKED
), sent AS (
    UPDATE agent_commands c
    SET status = 'sent', sent_at = :now, attempts = attempts + 1, changed_at = :now,
        due_at = :now + timeout_seconds * interval '1 second' + :grace::interval
    FROM taken t
    WHERE c.id = t.id
    RETURNING c.id, c.agent_device_id, c.command_type, c.command_params, c.timeout_seconds, c.created_at, c.attempts
), audited AS (
    {command_audit}
    SELECT :now, 'agent', agent_device_id, NULL, 'command_sent', agent_device_id, id,
           jsonb_build_object('by', :delivered_by::text, 'attempt', attempts)
    FROM sent
)
SELECT id, agent_device_id, command_type, command_params, timeout_seconds
FROM sent
ORDER BY created_at, id

-- release_commands --
-- End the leases of commands that were sent and have not begun.
WITH released AS (
    UPDATE agent_commands
    SET status = 'pending', due_at = expires_at, changed_at = :now
    WHERE agent_device_id = :device_id AND id = ANY (:commands::uuid[]) AND status = 'sent'
      AND cancel_requested_at IS NULL
    RETURNING id
)
{command_audit}
SELECT :now, {system}, 'command_requeued', :device_id, id, '{"why": "the connection broke"}'
FROM released

-- list_cancellations --
-- Commands that these devices have and should stop.
SELECT id, agent_device_id
FROM agent_commands
WHERE agent_device_id = ANY (:devices::uuid[]) AND status IN ('sent', 'executing') AND due_at IS NOT NULL
  AND cancel_requested_at IS NOT NULL

-- start_command --
-- The agent reports the start, or progress. Only a command that was delivered and has not ended can start.
-- :command_id, :device_id, :now, :grace, :percent done (or null), :message (or null), :actor_kind, :actor_id,
-- :actor_source.
WITH current AS (
    SELECT id, status, cancel_requested_at, attempts,
           attempts > 0 AND status IN ('pending', 'sent', 'executing') AND cancel_requested_at IS NULL AS may_run
    FROM agent_commands
    WHERE id = :command_id AND agent_device_id = :device_id
    FOR UPDATE
), begun AS (
    UPDATE agent_commands c
    SET status = 'executing',
        started_at = CASE WHEN f.status = 'executing' THEN c.started_at ELSE :now::timestamptz END,
        due_at = CASE WHEN f.status = 'executing' THEN c.due_at
                      ELSE :now + c.timeout_seconds * interval '1 second' + :grace::interval END,
        progress_percent = COALESCE(:percent::real, c.progress_percent),
        progress_message = COALESCE(:message::text, c.progress_message),
        changed_at = :now
    FROM current f
    WHERE c.id = f.id AND (f.may_run OR (f.status = 'executing' AND f.cancel_requested_at IS NOT NULL))
    RETURNING c.id
), audited AS (
    {command_audit}
    SELECT :now, {actor}, 'command_started', :device_id, f.id, '{}'
    FROM current f JOIN begun USING (id) WHERE f.status <> 'executing'
)
SELECT f.status, f.may_run, f.attempts
FROM current f

-- finish_command --
-- Store the agent's result. The first one counts; a result of a command that timed out meanwhile is accepted.
-- :command_id, :device_id, :now, :status, :exit_code, :stdout, :stdout_cut whether it was cut, :stderr,
-- :stderr_cut whether it was cut, :error_message, :started_at start and :completed_at end by the agent's clock: times
-- more than a day before the order, or after now, are replaced by ours,
-- :actor_kind, :actor_id, :actor_source.
WITH current AS (
    SELECT id, status, attempts, attempts > 0 AND answered_at IS NULL AS unanswered
    FROM agent_commands
    WHERE id = :command_id AND agent_device_id = :device_id
    FOR UPDATE
), finished AS (
    UPDATE agent_commands c
    SET status = :status, exit_code = :exit_code, stdout = :stdout, stdout_cut = :stdout_cut, stderr = :stderr,
        stderr_cut = :stderr_cut, error_message = :error_message,
        started_at = COALESCE(CASE WHEN :started_at::timestamptz BETWEEN c.created_at - interval '1 day'
                                                                   AND :now::timestamptz + interval '1 day'
                                   THEN :started_at END, c.started_at, c.sent_at),
        completed_at = CASE WHEN :completed_at::timestamptz BETWEEN c.created_at - interval '1 day' AND :now + interval '1 day'
                            THEN :completed_at ELSE :now END,
        progress_percent = CASE WHEN :status::text = 'completed' THEN 100 ELSE c.progress_percent END,
        due_at = NULL, changed_at = :now, answered_at = :now
    FROM current f
    WHERE c.id = f.id AND f.unanswered
    RETURNING c.id
), audited AS (
    {command_audit}
    SELECT :now, {actor}, 'command_' || :status, :device_id, f.id,
           jsonb_build_object('exit_code', :exit_code::integer, 'was', f.status)
    FROM current f JOIN finished USING (id)
)
SELECT f.status AS was, f.attempts, (SELECT count(*) FROM finished) = 1 AS recorded
FROM current f

-- due_commands --
-- The commands that are due. :postponed all but these, :now, :limit.
SELECT id FROM agent_commands WHERE due_at <= :now::timestamptz
  AND id <> ALL (:postponed::uuid[]) ORDER BY due_at LIMIT :limit

-- settle_due_commands --
-- Settle due commands: one that was never fetched expires; one that was fetched and never begun is delivered again, at
-- most :max_deliveries times; one that runs too long times out. Returns how many were settled. :now, :max_deliveries,
-- :limit, :only these (or null).
WITH due AS (
    SELECT id, agent_device_id, status, attempts, expires_at, cancel_requested_at
    FROM agent_commands
    WHERE due_at <= :now::timestamptz AND (:only::uuid[] IS NULL OR id = ANY (:only))
    ORDER BY due_at
    LIMIT :limit
    FOR UPDATE SKIP LOCKED
), judged AS (
    SELECT *, CASE WHEN status = 'executing' THEN 'timeout'
                   WHEN cancel_requested_at IS NOT NULL THEN 'cancelled'
                   WHEN expires_at <= :now AND attempts = 0 THEN 'expired'
                   WHEN expires_at <= :now OR attempts >= :max_deliveries THEN 'timeout'
                   ELSE 'pending' END AS new_status
    FROM due
), settled AS (
    UPDATE agent_commands c
    SET status = j.new_status, changed_at = :now,
        due_at = CASE WHEN j.new_status = 'pending' THEN j.expires_at END,
        completed_at = CASE WHEN j.new_status <> 'pending' THEN :now END,
        error_message = CASE j.new_status
            WHEN 'expired' THEN 'The device did not fetch it before it expired.'
            WHEN 'timeout' THEN CASE WHEN j.status = 'executing' THEN 'The device did not end it within its time-out.'
                                     ELSE 'The device fetched it and gave no answer.' END
            ELSE c.error_message END
    FROM judged j
    WHERE c.id = j.id
    RETURNING c.id, c.agent_device_id, j.status AS was, j.new_status
), audited AS (
    {command_audit}
    SELECT :now, {system},
           CASE WHEN new_status = 'pending' THEN 'command_requeued' ELSE 'command_' || new_status END,
           agent_device_id, id, jsonb_build_object('was', was)
    FROM settled
)
SELECT count(*) AS settled
FROM settled
