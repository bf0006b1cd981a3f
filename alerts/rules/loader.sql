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
-- of this database since its server started: a hash of which version of each row is seen, as a change writes another
-- one (xmin, ctid). To hash what the rows hold takes twice as long.
WITH in_force AS NOT MATERIALIZED (
    SELECT id, alert_name, alert_type, severity, business_id, service_location_id, agent_device_id, device_type,
           conditions, keep_firing_minutes, active_hours, is_shadow, ticket_enabled, notification_enabled,
           notification_channels, notification_recipients
    FROM agent_alerts
    WHERE is_active AND NOT soft_delete
), version AS MATERIALIZED (
    SELECT format('%s %s %s %s', current_database(), pg_postmaster_start_time(), count(*),
                  sum(uuid_hash_extended(id, hashtidextended(ctid, xmin::text::bigint)))) AS version
    FROM agent_alerts
    WHERE is_active AND NOT soft_delete
)
SELECT r.*, v.version
FROM version v
LEFT JOIN in_force r ON v.version IS DISTINCT FROM :version::text
ORDER BY r.id

-- note_rule_error --
-- Say of a rule that it can't be evaluated; :rule_id, :message, :now.
UPDATE agent_alerts SET error_message = :message, error_at = :now
WHERE id = :rule_id AND (error_message IS DISTINCT FROM :message)
