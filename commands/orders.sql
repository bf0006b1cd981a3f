-- Commands as employees make, approve, cancel and read them. What the agent does with them is in command_delivery.sql.
-- Every change leaves a row in agent_audit in the same statement and wakes the live channel once.

-- lock_orders_of_employee --
-- $1 employee. Until the end of the transaction no other order of this employee is made.
SELECT pg_advisory_xact_lock(hashtextextended('rts-agents order ' || $1::uuid::text, 0))

-- create_commands --
-- Make one command for each device that is there and active; the others are not among the rows that come back.
-- All need approval when the devices of this order, and of the employee's orders without approval in the time before
-- it, are more than $14. $1 new command ids, $2 devices (same length), $3 tenant, $4 type, $5 params, $6 time-out in
-- seconds, $7 approval required, $8 expiry, $9 batch (or null), $10 now, $11 kind of actor, $12 employee, $13 address,
-- $14 most devices without approval, $15 how long before, $16 commands that may wait for one device.
WITH wanted AS (
    SELECT * FROM unnest($1::uuid[], $2::uuid[]) AS w (command_id, device_id)
), approval AS (
    SELECT $7::boolean OR count(*) > $14::bigint AS required
    FROM (SELECT device_id FROM wanted
          UNION
          SELECT c.agent_device_id FROM agent_commands c
          WHERE c.requested_by = $12::uuid AND c.created_at > $10::timestamptz - $15::interval
            AND NOT c.approval_required) devices
), made AS (
    INSERT INTO agent_commands (id, agent_device_id, command_type, command_params, timeout_seconds, approval_required,
                                expires_at, due_at, batch_id, created_at, changed_at, requested_by)
    SELECT w.command_id, d.id, $4, $5::jsonb, $6, a.required, $8::timestamptz, $8, $9::uuid, $10, $10, $12
    FROM wanted w JOIN agent_devices d ON d.id = w.device_id CROSS JOIN approval a
    WHERE d.is_active AND NOT d.soft_delete AND ($3::uuid IS NULL OR d.business_id = $3)
      AND (SELECT count(*) FROM agent_commands q
           WHERE q.agent_device_id = d.id AND q.status = 'pending') < $16::integer
    RETURNING id, agent_device_id
), audited AS (
    INSERT INTO agent_audit (at, actor_kind, actor_id, source, action, agent_device_id, command_id, details)
    SELECT $10, $11::text, $12, $13::inet, 'command_created', agent_device_id, id,
           jsonb_build_object('command_type', $4::text, 'approval_required', a.required, 'batch_id', $9)
    FROM made CROSS JOIN approval a
)
SELECT id, agent_device_id, (SELECT count(pg_notify('rts_live', 'commands')::text)
                             FROM (SELECT FROM made LIMIT 1) any_made) AS woken
FROM made

-- full_devices --
-- Those devices for which as many commands wait as may. $1 devices, $2 commands that may wait.
SELECT agent_device_id FROM agent_commands
WHERE agent_device_id = ANY ($1::uuid[]) AND status = 'pending'
GROUP BY agent_device_id
HAVING count(*) >= $2::integer

-- read_commands --
-- Commands by filter, newest first; outputs only of a single one ($3), a page of them could take 100 MB. $1 tenant, $2
-- device, $3 command, $4 batch, $5 statuses, $6 true: only those that await approval, $7 and $8 creation and id of the
-- last one of the page before, $9 commands on a page, $10 now. Null filters nothing.
SELECT c.id, c.agent_device_id, d.device_name, c.batch_id, c.command_type, c.command_params, c.status,
       c.approval_required, c.approved_by, c.approved_by_name, c.approved_at, c.requested_by, c.requested_by_name, c.created_at, c.sent_at, c.started_at,
       c.completed_at, c.expires_at, c.timeout_seconds, c.attempts, c.progress_percent, c.progress_message,
       c.cancel_requested_at, c.exit_code, CASE WHEN $3::uuid IS NOT NULL THEN c.stdout END AS stdout,
       CASE WHEN $3::uuid IS NOT NULL THEN c.stderr END AS stderr, c.stdout_cut, c.stderr_cut, c.error_message,
       c.status = 'pending' AND c.approval_required AND c.approved_at IS NULL AND c.expires_at > $10 AS awaits_approval
FROM agent_commands c
JOIN agent_devices d ON d.id = c.agent_device_id
WHERE NOT d.soft_delete
  AND ($1::uuid IS NULL OR (d.business_id = $1 AND c.former_owner IS NULL))
  AND ($2::uuid IS NULL OR c.agent_device_id = $2)
  AND ($3::uuid IS NULL OR c.id = $3)
  AND ($4::uuid IS NULL OR c.batch_id = $4)
  AND ($5::text[] IS NULL OR c.status = ANY ($5))
  AND (NOT $6::boolean
       OR (c.status = 'pending' AND c.approval_required AND c.approved_at IS NULL AND c.expires_at > $10))
  AND ($7::timestamptz IS NULL OR (c.created_at, c.id) < ($7, $8::uuid))
ORDER BY c.created_at DESC, c.id DESC
LIMIT $9

-- approve_commands --
-- Approve one command or a whole batch; returns the previous status of each, and whether this call approved it.
-- $1 tenant, $2 device (or null), $3 command (or null), $4 batch (or null), $5 now, $6 kind of actor, $7 employee,
-- $8 address.
WITH found AS (
    SELECT c.id, c.agent_device_id, c.requested_by,
           c.status = 'pending' AND c.approval_required AND c.approved_at IS NULL AND c.expires_at > $5::timestamptz
               AS awaits_approval
    FROM agent_commands c
    WHERE ($2::uuid IS NULL OR c.agent_device_id = $2)
      AND CASE WHEN $3::uuid IS NULL THEN c.batch_id = $4::uuid ELSE c.id = $3 END
      AND EXISTS (SELECT FROM agent_devices d WHERE d.id = c.agent_device_id AND NOT d.soft_delete
                                                AND ($1::uuid IS NULL OR (d.business_id = $1 AND c.former_owner IS NULL)))
    ORDER BY c.id
    FOR UPDATE
), approved AS (
    UPDATE agent_commands c
    SET approved_by = $7::uuid, approved_at = $5, changed_at = $5
    FROM found f
    WHERE c.id = f.id AND f.awaits_approval AND f.requested_by IS DISTINCT FROM $7
    RETURNING c.id, c.agent_device_id
), audited AS (
    INSERT INTO agent_audit (at, actor_kind, actor_id, source, action, agent_device_id, command_id)
    SELECT $5, $6::text, $7, $8::inet, 'command_approved', agent_device_id, id FROM approved
)
SELECT f.id, f.requested_by, f.awaits_approval, a.id IS NOT NULL AS approved,
       (SELECT count(pg_notify('rts_live', 'commands')::text) FROM (SELECT FROM approved LIMIT 1) one) AS woken
FROM found f LEFT JOIN approved a USING (id)

-- cancel_commands --
-- Cancel one command or a whole batch: at once what no agent has, by request to the agent what it has begun; what has
-- ended stays as it is. $1 tenant, $2 device (or null), $3 command (or null), $4 batch (or null), $5 now, $6 kind of
-- actor, $7 employee, $8 address, $9 reason (or null).
WITH found AS (
    SELECT c.id, c.status
    FROM agent_commands c
    WHERE ($2::uuid IS NULL OR c.agent_device_id = $2)
      AND CASE WHEN $3::uuid IS NULL THEN c.batch_id = $4::uuid ELSE c.id = $3 END
      AND EXISTS (SELECT FROM agent_devices d WHERE d.id = c.agent_device_id AND NOT d.soft_delete
                                                AND ($1::uuid IS NULL OR (d.business_id = $1 AND c.former_owner IS NULL)))
    ORDER BY c.id
    FOR UPDATE
), cancelled AS (
    UPDATE agent_commands c
    SET status = CASE WHEN f.status = 'pending' THEN 'cancelled' ELSE c.status END,
        completed_at = CASE WHEN f.status = 'pending' THEN $5::timestamptz END,
        due_at = CASE WHEN f.status = 'pending' THEN NULL ELSE c.due_at END,
        error_message = COALESCE($9::text, c.error_message),
        cancel_requested_at = $5, changed_at = $5
    FROM found f
    WHERE c.id = f.id AND f.status IN ('pending', 'sent', 'executing') AND c.cancel_requested_at IS NULL
    RETURNING c.id, c.agent_device_id, c.status
), audited AS (
    INSERT INTO agent_audit (at, actor_kind, actor_id, source, action, agent_device_id, command_id, details)
    SELECT $5, $6::text, $7::uuid, $8::inet,
           CASE WHEN status = 'cancelled' THEN 'command_cancelled' ELSE 'command_cancel_requested' END,
           agent_device_id, id, jsonb_build_object('reason', $9::text)
    FROM cancelled
)
SELECT f.id, f.status, f.status IN ('pending', 'sent', 'executing') AS open, c.id IS NOT NULL AS cancelled,
       (SELECT count(pg_notify('rts_live', 'commands')::text) FROM (SELECT FROM cancelled LIMIT 1) one) AS woken
FROM found f LEFT JOIN cancelled c USING (id)
