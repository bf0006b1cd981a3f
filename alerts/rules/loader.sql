-- read_rules --
-- The rules that are in force. :rule_id one rule only (null: all).
SELECT id, alert_name, alert_type, severity, business_id, service_location_id, agent_device_id, device_type, conditions,
       keep_firing_minutes, active_hours, is_shadow, ticket_enabled, notification_enabled, notification_channels,
       notification_recipients
FROM agent_alerts
WHERE is_active AND NOT soft_delete AND (:rule_id::uuid IS NULL OR id = :rule_id)
ORDER BY id

-- read_changed_rules --
-- All rules that are in force, unless their version is :known; then one row without an id. The version is a hash of all
-- that is read here, in one snapshot with it; the first row has it. Of the text: the hash of JSON is the same for {} and
-- [].
WITH version AS MATERIALIZED (
    SELECT format('%s %s', count(*), sum(hashtextextended(
               ROW (id, alert_name, alert_type, severity, business_id, service_location_id, agent_device_id,
                    device_type, conditions, keep_firing_minutes, active_hours, is_shadow, ticket_enabled,
                    notification_enabled, notification_channels, notification_recipients)::text, 0))) AS version
    FROM agent_alerts
    WHERE is_active AND NOT soft_delete
)
SELECT a.id, a.alert_name, a.alert_type, a.severity, a.business_id, a.service_location_id, a.agent_device_id,
       a.device_type, a.conditions, a.keep_firing_minutes, a.active_hours, a.is_shadow, a.ticket_enabled,
       a.notification_enabled, a.notification_channels, a.notification_recipients,
       CASE WHEN row_number() OVER (ORDER BY a.id) = 1 THEN v.version END AS version
FROM version v
LEFT JOIN agent_alerts a ON a.is_active AND NOT a.soft_delete AND v.version IS DISTINCT FROM :known::text
ORDER BY a.id

-- note_rule_error --
-- Say of a rule that it can't be evaluated; :rule_id, :message, :now.
UPDATE agent_alerts SET error_message = :message, error_at = :now
WHERE id = :rule_id AND (error_message IS DISTINCT FROM :message)
