-- Commands as their agent fetches, begins and ends them, and as the worker gives up on them.

-- lease_commands --
-- Hand out what waits for these devices, oldest first. SKIP LOCKED: two pollers never get the same. What awaits
-- approval, or has expired, is not there. Until the lease's end (its time-out and $3 more) it is this delivery's.
-- $1 devices, $2 now, $3 grace, $4 most commands, $5 how they go out: poll or live.
WITH taken AS (
    SELECT c.id
    FROM agent_commands c
    JOIN agent_devices d ON d.id = c.agent_device_id
    WHERE c.agent_device_id = ANY ($1::uuid[]) AND c.status = 'pending' AND c.expires_at > $2::timestamptz
      AND (NOT c.approval_required OR c.approved_at IS NOT NULL)
      AND d.is_active AND NOT d.soft_delete AND d.agent_token IS NOT NULL
    ORDER BY c.created_at, c.id
    LIMIT $4
    FOR UPDATE OF c SKIP LOCKED
), sent AS (
    UPDATE agent_commands c
    SET status = 'sent', sent_at = $2, attempts = attempts + 1, changed_at = $2,
        due_at = $2 + timeout_seconds * interval '1 second' + $3::interval
    FROM taken t
    WHERE c.id = t.id
    RETURNING c.id, c.agent_device_id, c.command_type, c.command_params, c.timeout_seconds, c.created_at, c.attempts
), audited AS (
    INSERT INTO agent_audit (at, actor_kind, actor_id, action, agent_device_id, command_id, details)
    SELECT $2, 'agent', agent_device_id, 'command_sent', agent_device_id, id,
           jsonb_build_object('by', $5::text, 'attempt', attempts)
    FROM sent
)
SELECT id, agent_device_id, command_type, command_params, timeout_seconds,
       (SELECT count(pg_notify('rts_live', 'commands')::text) FROM (SELECT FROM sent LIMIT 1) one) AS woken
FROM sent
ORDER BY created_at, id

-- release_commands --
-- Take back what is sent and not begun. $1 device, $2 commands, $3 now.
WITH released AS (
    UPDATE agent_commands
    SET status = 'pending', due_at = expires_at, changed_at = $3
    WHERE agent_device_id = $1 AND id = ANY ($2::uuid[]) AND status = 'sent' AND cancel_requested_at IS NULL
    RETURNING id
)
INSERT INTO agent_audit (at, actor_kind, action, agent_device_id, command_id, details)
SELECT $3, 'system', 'command_requeued', $1, id, '{"why": "the connection broke"}'
FROM released, (SELECT pg_notify('rts_live', 'commands')) woken

-- list_cancellations --
-- Commands that these devices have and should stop. $1 devices.
SELECT id, agent_device_id
FROM agent_commands
WHERE agent_device_id = ANY ($1::uuid[]) AND status IN ('sent', 'executing') AND due_at IS NOT NULL
  AND cancel_requested_at IS NOT NULL

-- start_command --
-- The agent reports the start, or progress. Only a command that was delivered and has not ended can start.
-- $1 command, $2 device, $3 now, $4 grace, $5 percent done (or null), $6 message (or null), $7 kind of actor,
-- $8 agent, $9 address.
WITH found AS (
    SELECT id, status, cancel_requested_at, attempts,
           attempts > 0 AND status IN ('pending', 'sent', 'executing') AND cancel_requested_at IS NULL AS may_run
    FROM agent_commands
    WHERE id = $1 AND agent_device_id = $2
    FOR UPDATE
), begun AS (
    UPDATE agent_commands c
    SET status = 'executing',
        started_at = CASE WHEN f.status = 'executing' THEN c.started_at ELSE $3::timestamptz END,
        due_at = CASE WHEN f.status = 'executing' THEN c.due_at
                      ELSE $3 + c.timeout_seconds * interval '1 second' + $4::interval END,
        progress_percent = COALESCE($5::real, c.progress_percent),
        progress_message = COALESCE($6::text, c.progress_message),
        changed_at = $3
    FROM found f
    WHERE c.id = f.id AND (f.may_run OR (f.status = 'executing' AND f.cancel_requested_at IS NOT NULL))
    RETURNING c.id
), audited AS (
    INSERT INTO agent_audit (at, actor_kind, actor_id, source, action, agent_device_id, command_id)
    SELECT $3, $7::text, $8::uuid, $9::inet, 'command_started', $2, f.id
    FROM found f JOIN begun USING (id) WHERE f.status <> 'executing'
)
SELECT f.status, f.may_run, f.attempts,
       (SELECT count(pg_notify('rts_live', 'commands')::text) FROM begun) AS woken
FROM found f

-- finish_command --
-- The agent's result. The first one counts; one for a command that was given up meanwhile is better than none, so it
-- is taken. $1 command, $2 device, $3 now, $4 status, $5 exit code, $6 stdout, $7 whether it was cut, $8 stderr,
-- $9 whether it was cut, $10 error message, $11 start and $12 end by the agent's clock, $13 kind of actor, $14 agent,
-- $15 address.
WITH found AS (
    SELECT id, status, attempts, attempts > 0 AND answered_at IS NULL AS unanswered
    FROM agent_commands
    WHERE id = $1 AND agent_device_id = $2
    FOR UPDATE
), finished AS (
    UPDATE agent_commands c
    SET status = $4, exit_code = $5, stdout = $6, stdout_cut = $7, stderr = $8, stderr_cut = $9, error_message = $10,
        started_at = COALESCE($11::timestamptz, c.started_at, c.sent_at), completed_at = COALESCE($12, $3::timestamptz),
        progress_percent = CASE WHEN $4::text = 'completed' THEN 100 ELSE c.progress_percent END,
        due_at = NULL, changed_at = $3, answered_at = $3
    FROM found f
    WHERE c.id = f.id AND f.unanswered
    RETURNING c.id
), audited AS (
    INSERT INTO agent_audit (at, actor_kind, actor_id, source, action, agent_device_id, command_id, details)
    SELECT $3, $13::text, $14::uuid, $15::inet, 'command_' || $4, $2, f.id,
           jsonb_build_object('exit_code', $5::integer, 'was', f.status)
    FROM found f JOIN finished USING (id)
)
SELECT f.status AS was, f.attempts, (SELECT count(*) FROM finished) = 1 AS recorded,
       (SELECT count(pg_notify('rts_live', 'commands')::text) FROM finished) AS woken
FROM found f

-- due_commands --
-- The commands that are due. $1 all but these, $2 now, $3 most.
SELECT id FROM agent_commands WHERE due_at <= $2::timestamptz AND id <> ALL ($1::uuid[]) ORDER BY due_at LIMIT $3

-- settle_due_commands --
-- What nobody fetched has expired; what was fetched and never begun goes out again, at most $2 times; what runs too
-- long has timed out. Returns how many were settled. $1 now, $2 most deliveries, $3 most commands, $4 only these (or
-- null).
WITH due AS (
    SELECT id, agent_device_id, status, attempts, expires_at, cancel_requested_at
    FROM agent_commands
    WHERE due_at <= $1::timestamptz AND ($4::uuid[] IS NULL OR id = ANY ($4))
    ORDER BY due_at
    LIMIT $3
    FOR UPDATE SKIP LOCKED
), judged AS (
    SELECT *, CASE WHEN status = 'executing' THEN 'timeout'
                   WHEN cancel_requested_at IS NOT NULL THEN 'cancelled'
                   WHEN expires_at <= $1 AND attempts = 0 THEN 'expired'
                   WHEN expires_at <= $1 OR attempts >= $2 THEN 'timeout'
                   ELSE 'pending' END AS new_status
    FROM due
), settled AS (
    UPDATE agent_commands c
    SET status = j.new_status, changed_at = $1,
        due_at = CASE WHEN j.new_status = 'pending' THEN j.expires_at END,
        completed_at = CASE WHEN j.new_status <> 'pending' THEN $1 END,
        error_message = CASE j.new_status
            WHEN 'expired' THEN 'The device did not fetch it before it expired.'
            WHEN 'timeout' THEN CASE WHEN j.status = 'executing' THEN 'The device did not end it within its time-out.'
                                     ELSE 'The device fetched it and gave no answer.' END
            ELSE c.error_message END
    FROM judged j
    WHERE c.id = j.id
    RETURNING c.id, c.agent_device_id, j.status AS was, j.new_status
), audited AS (
    INSERT INTO agent_audit (at, actor_kind, action, agent_device_id, command_id, details)
    SELECT $1, 'system', CASE WHEN new_status = 'pending' THEN 'command_requeued' ELSE 'command_' || new_status END,
           agent_device_id, id, jsonb_build_object('was', was)
    FROM settled
)
SELECT count(*) AS settled, (SELECT count(pg_notify('rts_live', 'commands')::text)
                             FROM (SELECT FROM settled LIMIT 1) one) AS woken
FROM settled
