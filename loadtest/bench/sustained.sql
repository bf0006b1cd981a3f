-- What runs beside the uploads of a sustained load.

-- add_rules --
-- Rules for all devices, as an MSP would switch them on first.
INSERT INTO agent_alerts (alert_name, alert_type, severity, conditions, ticket_enabled)
SELECT 'bench ' || r.name, 'bench', 'warning', r.conditions::jsonb, false
FROM (VALUES
    ('cpu', '{"metric": "cpu_percent", "operator": ">", "threshold": 95, "duration_minutes": 10}'),
    ('memory', '{"metric": "memory_percent", "operator": ">", "threshold": 95, "duration_minutes": 10}'),
    ('disk', '{"metric": "disk_percent", "operator": ">", "threshold": 95, "duration_minutes": 10}'),
    ('silence', '{"no_data_minutes": 30}')
) AS r (name, conditions)

-- be_online --
-- As devices are that have been heard for long: the first upload changes nothing but what each one changes, and the
-- looks at who is silent are spread.
UPDATE agent_devices
SET status = 'online', reported_status = 'online', last_metrics_received = :now,
    status_due_at = :now::timestamptz + random() * interval '12 minutes'

-- add_old_samples --
-- A thousand samples of some devices, a minute apart.
INSERT INTO agent_metrics (agent_device_id, collected_at, received_at, cpu_percent, memory_percent, disk_percent)
SELECT d.id, :start::timestamptz + n * interval '1 minute', :start, 20 + 60 * random(), 40 + 20 * random(), 50
FROM (SELECT id FROM agent_devices ORDER BY id LIMIT :devices::integer) d, generate_series(1, 1000) n

-- count_samples --
SELECT count(*) FROM agent_metrics

-- last_pass --
SELECT seconds FROM agent_alert_passes
