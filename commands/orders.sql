-- Orders of commands: created, approved, cancelled and read. `delivery.sql` has their way to the agent. Every change
-- writes a row to agent_audit in the same statement; a trigger notifies the live channel once.

-- lock_orders_of_employee --
-- Until the end of the transaction no other order of this employee is made.
SELECT pg_advisory_xact_lock(hashtextextended('rts-agents order ' || :employee_id::uuid::text, 0))

-- create_commands --
-- Create one command for each active device; other devices are missing in the result. All
-- need approval when the devices of this order, and of the employee's orders without approval in the time before it,
-- are more than :above_devices. :command_ids, :devices (same length), :tenant, :command_type, :params,
-- :timeout_seconds time-out in seconds, :approval_required, :expires_at expiry, :batch_id (or null), :now,
-- :actor_kind, :actor_id, :actor_source, :above_devices most devices without approval, :window how long before,
-- :pending_commands commands that may wait for one device.
WITH requested AS (
    SELECT * FROM unnest(:command_ids::uuid[], :devices::uuid[]) AS w (command_id, device_id)
), approval AS (
    SELECT :approval_required::boolean OR count(*) > :above_devices::bigint AS required
    FROM (SELECT device_id FROM requested
          UNION
          SELECT c.agent_device_id FROM agent_commands c
          WHERE c.requested_by = :actor_id::uuid AND c.created_at > :now::timestamptz - :window::interval
            AND NOT c.approval_required) devices
), created AS (
    INSERT INTO agent_commands (id, agent_device_id, command_type, command_params, timeout_seconds, approval_required,
                                expires_at, due_at, batch_id, created_at, changed_at, requested_by)
    SELECT w.command_id, d.id, :command_type, :params::jsonb, :timeout_seconds, a.required, :expires_at::timestamptz,
           :expires_at, :batch_id::uuid, :now, :now, :actor_id
    FROM requested w JOIN agent_devices d ON d.id = w.device_id CROSS JOIN approval a
    WHERE d.is_active AND NOT d.soft_delete AND (:tenant::uuid IS NULL OR d.business_id = :tenant)
      AND (SELECT count(*) FROM agent_commands q
           WHERE q.agent_device_id = d.id AND q.status = 'pending') < :pending_commands::integer
    RETURNING id, agent_device_id
), audited AS (
    {command_audit}
    SELECT :now, {actor}, 'command_created', agent_device_id, id,
           jsonb_build_object('command_type', :command_type::text, 'approval_required', a.required, 'batch_id',
                              :batch_id)
    FROM created CROSS JOIN approval a
)
SELECT id, agent_device_id
FROM created

-- full_devices --
-- Those devices for which as many commands wait as may. :devices, :pending_commands commands that may wait.
SELECT agent_device_id FROM agent_commands
WHERE agent_device_id = ANY (:devices::uuid[]) AND status = 'pending'
GROUP BY agent_device_id
HAVING count(*) >= :pending_commands::integer

-- read_commands --
-- Commands by filter, newest first; outputs only of a single one (:command_id), a page of them could take 100 MB.
-- :tenant, :device_id, :command_id, :batch_id, :statuses, :awaits_approval true: only those that await approval,
-- :after_time and :after_id creation and id of the last one of the page before, :limit, :now. Null filters nothing.
SELECT c.id, c.agent_device_id, d.device_name, c.batch_id, c.command_type, c.command_params, c.status,
       c.approval_required, c.approved_by, c.approved_by_name, c.approved_at, c.requested_by, c.requested_by_name,
           c.created_at, c.sent_at, c.started_at,
       c.completed_at, c.expires_at, c.timeout_seconds, c.attempts, c.progress_percent, c.progress_message,
       c.cancel_requested_at, c.exit_code, CASE WHEN :command_id::uuid IS NOT NULL THEN c.stdout END AS stdout,
       CASE WHEN :command_id::uuid IS NOT NULL THEN c.stderr END AS stderr, c.stdout_cut, c.stderr_cut, c.error_message,
       c.status = 'pending' AND c.approval_required AND c.approved_at IS NULL AND c.expires_at > :now AS awaits_approval
FROM agent_commands c
JOIN agent_devices d ON d.id = c.agent_device_id
WHERE NOT d.soft_delete
  AND (:tenant::uuid IS NULL OR (d.business_id = :tenant AND c.former_owner IS NULL))
  AND (:device_id::uuid IS NULL OR c.agent_device_id = :device_id)
  AND (:command_id::uuid IS NULL OR c.id = :command_id)
  AND (:batch_id::uuid IS NULL OR c.batch_id = :batch_id)
  AND (:statuses::text[] IS NULL OR c.status = ANY (:statuses))
  AND (NOT :awaits_approval::boolean
       OR (c.status = 'pending' AND c.approval_required AND c.approved_at IS NULL AND c.expires_at > :now))
  AND (:after_time::timestamptz IS NULL OR (c.created_at, c.id) < (:after_time, :after_id::uuid))
ORDER BY c.created_at DESC, c.id DESC
LIMIT :limit

-- approve_commands --
-- Approve one command or a whole batch; returns the previous status of each, and whether this call approved it.
-- :tenant, :device_id (or null), :command_id (or null), :batch_id (or null), :now, :actor_kind, :actor_id,
-- :actor_source.
WITH selected AS (
    SELECT c.id, c.agent_device_id, c.requested_by,
           c.status = 'pending' AND c.approval_required AND c.approved_at IS NULL AND c.expires_at > :now::timestamptz
               AS awaits_approval
    FROM agent_commands c
    WHERE (:device_id::uuid IS NULL OR c.agent_device_id = :device_id)
      AND CASE WHEN :command_id::uuid IS NULL THEN c.batch_id = :batch_id::uuid ELSE c.id = :command_id END
      AND EXISTS (SELECT FROM agent_devices d WHERE d.id = c.agent_device_id AND NOT d.soft_delete
        AND (:tenant::uuid IS NULL OR (d.business_id = :tenant AND c.former_owner IS NULL)))
    ORDER BY c.id
    FOR UPDATE
), approved AS (
    UPDATE agent_commands c
    SET approved_by = :actor_id::uuid, approved_at = :now, changed_at = :now
    FROM selected f
    WHERE c.id = f.id AND f.awaits_approval AND f.requested_by IS DISTINCT FROM :actor_id
    RETURNING c.id, c.agent_device_id
), audited AS (
    {command_audit}
    SELECT :now, {actor}, 'command_approved', agent_device_id, id, '{}' FROM approved
)
SELECT f.id, f.requested_by, f.awaits_approval, a.id IS NOT NULL AS approved
FROM selected f LEFT JOIN approved a USING (id)

-- cancel_commands --
-- Cancel one command or a whole batch: commands that no agent has end at once, agents are asked to stop started ones,
-- ended ones do not change. :tenant, :device_id (or null), :command_id (or null), :batch_id (or null), :now,
-- :actor_kind, :actor_id, :actor_source, :reason (or null).
WITH selected AS (
    SELECT c.id, c.status
    FROM agent_commands c
    WHERE (:device_id::uuid IS NULL OR c.agent_device_id = :device_id)
      AND CASE WHEN :command_id::uuid IS NULL THEN c.batch_id = :batch_id::uuid ELSE c.id = :command_id END
      AND EXISTS (SELECT FROM agent_devices d WHERE d.id = c.agent_device_id AND NOT d.soft_delete
        AND (:tenant::uuid IS NULL OR (d.business_id = :tenant AND c.former_owner IS NULL)))
    ORDER BY c.id
    FOR UPDATE
), cancelled AS (
    UPDATE agent_commands c
    SET status = CASE WHEN f.status = 'pending' THEN 'cancelled' ELSE c.status END,
        completed_at = CASE WHEN f.status = 'pending' THEN :now::timestamptz END,
        due_at = CASE WHEN f.status = 'pending' THEN NULL ELSE c.due_at END,
        error_message = COALESCE(:reason::text, c.error_message),
        cancel_requested_at = :now, changed_at = :now
    FROM selected f
    WHERE c.id = f.id AND f.status IN ('pending', 'sent', 'executing') AND c.cancel_requested_at IS NULL
    RETURNING c.id, c.agent_device_id, c.status
), audited AS (
    {command_audit}
    SELECT :now, {actor},
           CASE WHEN status = 'cancelled' THEN 'command_cancelled' ELSE 'command_cancel_requested' END,
           agent_device_id, id, jsonb_build_object('reason', :reason::text)
    FROM cancelled
)
SELECT f.id, f.status, f.status IN ('pending', 'sent', 'executing') AS open, c.id IS NOT NULL AS cancelled
FROM selected f LEFT JOIN cancelled c USING (id)
