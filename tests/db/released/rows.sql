-- Rows of a database of the last released revision; the test reads them again after an upgrade.

-- business --
INSERT INTO businesses (id, business_name) VALUES ('00000000-0000-4000-8000-000000000001', 'Alice')

-- device --
INSERT INTO agent_devices (id, business_id, device_name, metrics_interval_seconds)
VALUES ('00000000-0000-4000-8000-000000000002', '00000000-0000-4000-8000-000000000001', 'pc', 300)

-- samples --
INSERT INTO agent_metrics (agent_device_id, collected_at, received_at, cpu_percent, network_rx_bytes)
SELECT '00000000-0000-4000-8000-000000000002', at, at, 40, 1000 * row_number() OVER (ORDER BY at)
FROM generate_series(date_trunc('day', now()) - interval '3 days', date_trunc('day', now()), interval '5 minutes') AS at

-- rule --
INSERT INTO agent_alerts (alert_name, alert_type, severity, business_id, conditions)
VALUES ('CPU busy', 'high_cpu', 'warning', '00000000-0000-4000-8000-000000000001',
        '{"metric": "cpu_percent", "operator": ">", "threshold": 90}')

-- command --
INSERT INTO agent_commands (agent_device_id, command_type, status)
VALUES ('00000000-0000-4000-8000-000000000002', 'restart_service', 'pending')

-- event --
INSERT INTO agent_events (agent_device_id, event_type, occurred_at, received_at)
VALUES ('00000000-0000-4000-8000-000000000002', 'registered', now(), now())
