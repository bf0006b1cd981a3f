-- The statements of a backtest besides those on samples.

-- read_rule --
-- A rule, in force or not.
SELECT id, alert_name, alert_type, severity, business_id, service_location_id, agent_device_id, device_type, conditions,
       keep_firing_minutes, active_hours, is_shadow, ticket_enabled, notification_enabled, notification_channels,
       notification_recipients
FROM agent_alerts
WHERE id = :rule_id AND NOT soft_delete

-- count_devices --
-- The number of devices in scope. :terms, :business_id tenant.
SELECT count(DISTINCT device_id) FROM alert_pairs(:terms::jsonb, :business_id::uuid)

-- device_names --
SELECT id, device_name FROM agent_devices WHERE id = ANY (:devices::uuid[])

-- sample_devices --
-- Some of the devices in scope, pseudo-random and the same each time. :terms, :business_id tenant, :limit.
SELECT device_id FROM (SELECT DISTINCT device_id FROM alert_pairs(:terms::jsonb, :business_id::uuid)) reached
ORDER BY md5(device_id::text) LIMIT :limit
