-- Reads of the scopes of the live channel, once a second while a client follows one. Clients get only data of
-- businesses that they may see.

-- changed_devices --
-- Devices that were heard or changed their status. Odd values that another program wrote become null.
SELECT d.id, d.business_id, d.status, d.last_heartbeat, d.last_metrics_received, d.status_changed_at,
       alert_number(d.current_metrics -> 'cpu_percent') AS cpu_percent,
       alert_number(d.current_metrics -> 'memory_percent') AS memory_percent,
       alert_number(d.current_metrics -> 'disk_percent') AS disk_percent
FROM agent_devices d
WHERE NOT d.soft_delete
  AND GREATEST(d.last_heartbeat, d.last_metrics_received, d.status_changed_at, d.created_at) >= :since
LIMIT 20000

-- open_alerts --
-- The state of all open alerts in few columns, for the comparison with the previous poll.
SELECT h.id, h.agent_device_id, d.business_id, h.status, h.snoozed_until
FROM agent_alert_history h
JOIN agent_devices d ON d.id = h.agent_device_id
WHERE h.status IN ('active', 'acknowledged') AND NOT d.soft_delete AND h.former_owner IS NULL
ORDER BY h.triggered_at DESC
LIMIT :limit

-- read_changed_alerts --
-- The alerts of :alerts, in the form for followers.
SELECT h.id, h.agent_device_id, d.business_id, h.severity, h.status, r.alert_name, d.device_name, h.triggered_at,
       h.resolved_at, h.acknowledged_at, h.snoozed_until
FROM agent_alert_history h
JOIN agent_devices d ON d.id = h.agent_device_id
JOIN agent_alerts r ON r.id = h.agent_alert_id
WHERE h.id = ANY (:alerts::uuid[]) AND NOT d.soft_delete AND h.former_owner IS NULL

-- late_alerts --
-- Alerts that had ended when late samples showed them: they were never open. Data of an event may be anything.
SELECT h.id
FROM agent_events e
JOIN agent_alert_history h ON h.agent_device_id = e.agent_device_id AND h.id::text = e.data ->> 'alert_id'
WHERE e.received_at >= :since AND e.event_type = 'alert_found_late' AND h.status = 'auto_resolved'
LIMIT 1000

-- registration_tokens --
-- Registration tokens of the last 30 days that are open, or were spent, revoked or expired a short while ago.
SELECT t.id,
       CASE WHEN t.used_at IS NOT NULL THEN 'spent' WHEN t.revoked_at IS NOT NULL THEN 'revoked'
            WHEN t.expires_at <= :now THEN 'expired' ELSE 'open' END AS state
FROM agent_registration_tokens t
WHERE t.created_at > :now::timestamptz - interval '30 days'
  AND (GREATEST(t.used_at, t.revoked_at) >= :since
       OR (t.used_at IS NULL AND t.revoked_at IS NULL AND t.expires_at >= :since))
ORDER BY t.created_at DESC, t.id DESC
LIMIT 1000
