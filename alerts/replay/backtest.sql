-- What a backtest asks besides samples.

-- read_rule --
-- A rule, in force or not. $1 rule.
SELECT id, alert_name, alert_type, severity, business_id, service_location_id, agent_device_id, device_type, conditions,
       keep_firing_minutes, active_hours, is_shadow, ticket_enabled, notification_enabled, notification_channels,
       notification_recipients
FROM agent_alerts
WHERE id = $1 AND NOT soft_delete

-- count_devices --
-- How many devices are in reach. $1 leaves, $2 tenant.
SELECT count(DISTINCT device_id) FROM alert_pairs($1::jsonb, $2::uuid)

-- device_names --
-- $1 devices.
SELECT id, device_name FROM agent_devices WHERE id = ANY ($1::uuid[])

-- sample_devices --
-- Some of the devices in reach, as good as random and the same each time. $1 leaves, $2 tenant, $3 how many.
SELECT device_id FROM (SELECT DISTINCT device_id FROM alert_pairs($1::jsonb, $2::uuid)) reached
ORDER BY md5(device_id::text) LIMIT $3
