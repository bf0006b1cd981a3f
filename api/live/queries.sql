-- The queries of the live channel after a notification. It stores nothing itself.

-- device_states --
-- The current state of followed devices, each with its business, which decides who may receive it.
SELECT id, business_id, status, status_changed_at, last_heartbeat, clone_suspected_at, current_collected_at,
       current_metrics
FROM agent_devices
WHERE id = ANY (:devices::uuid[]) AND NOT soft_delete

-- changed_commands --
-- Commands of followed devices that have changed.
SELECT c.id, c.agent_device_id, d.business_id, c.command_type, c.status, c.approval_required,
       c.status = 'pending' AND c.approval_required AND c.approved_at IS NULL AS awaits_approval, c.progress_percent,
       c.progress_message, c.cancel_requested_at, c.exit_code, c.started_at, c.completed_at, c.changed_at
FROM agent_commands c
JOIN agent_devices d ON d.id = c.agent_device_id
WHERE c.agent_device_id = ANY (:devices::uuid[]) AND c.changed_at >= :changed_since AND NOT d.soft_delete
  AND c.former_owner IS NULL
ORDER BY c.changed_at, c.id

-- new_events --
-- Events of followed devices.
SELECT e.id, e.agent_device_id, d.business_id, e.event_type, e.occurred_at, e.received_at, e.data
FROM agent_events e
JOIN agent_devices d ON d.id = e.agent_device_id
WHERE e.agent_device_id = ANY (:devices::uuid[]) AND e.received_at >= :received_since AND NOT d.soft_delete
  AND e.former_owner IS NULL
ORDER BY e.id

-- good_tokens --
-- The hashes of the tokens that are valid for these agents now.
SELECT id, agent_token, CASE WHEN COALESCE(:now < previous_token_until, true) THEN previous_agent_token END AS previous
FROM agent_devices
WHERE id = ANY (:agents::uuid[]) AND is_active AND NOT soft_delete
