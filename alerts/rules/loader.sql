-- read_rules --
-- The rules that are in force. :rule_id one rule only (null: all).
SELECT id, alert_name, alert_type, severity, business_id, service_location_id, agent_device_id, device_type, conditions,
       keep_firing_minutes, active_hours, is_shadow, ticket_enabled, notification_enabled, notification_channels,
       notification_recipients
FROM agent_alerts
WHERE is_active AND NOT soft_delete AND (:rule_id::uuid IS NULL OR id = :rule_id)
ORDER BY id

-- read_changed_rules --
-- All rules that are in force, each with their version, unless it is :version; then one row without an id. The version is
-- a hash of all that is read here, in one snapshot with it. Of the text: the hash of JSON is the same for {} and [].
WITH in_force AS NOT MATERIALIZED (
    SELECT id, alert_name, alert_type, severity, business_id, service_location_id, agent_device_id, device_type,
           conditions, keep_firing_minutes, active_hours, is_shadow, ticket_enabled, notification_enabled,
           notification_channels, notification_recipients
    FROM agent_alerts
    WHERE is_active AND NOT soft_delete
), version AS MATERIALIZED (
    SELECT format('%s %s', count(*), sum(hashtextextended(in_force::text, 0))) AS version FROM in_force
)
SELECT r.*, v.version
FROM version v
LEFT JOIN in_force r ON v.version IS DISTINCT FROM :version::text
ORDER BY r.id

-- note_rule_error --
-- Say of a rule that it can't be evaluated; :rule_id, :message, :now.
UPDATE agent_alerts SET error_message = :message, error_at = :now
WHERE id = :rule_id AND (error_message IS DISTINCT FROM :message)
