-- read_rules --
-- The rules that are in force. $1 one rule only (null: all).
SELECT id, alert_name, alert_type, severity, business_id, service_location_id, agent_device_id, device_type, conditions,
       keep_firing_minutes, active_hours, is_shadow, ticket_enabled, notification_enabled, notification_channels,
       notification_recipients
FROM agent_alerts
WHERE is_active AND NOT soft_delete AND ($1::uuid IS NULL OR id = $1)
ORDER BY id

-- note_rule_error --
-- Say of a rule that it can't be evaluated; $1 rule, $2 message, $3 now.
UPDATE agent_alerts SET error_message = $2, error_at = $3
WHERE id = $1 AND (error_message IS DISTINCT FROM $2)
