-- A fleet for benchmarks, made by the database itself.

-- add_businesses --
-- $1 how many.
INSERT INTO businesses (business_name) SELECT 'business ' || n FROM generate_series(1, $1::integer) n

-- add_devices --
-- The same number of devices for each business, all heard just now. $1 how many, $2 now.
INSERT INTO agent_devices (business_id, device_name, device_type, status, last_heartbeat, last_metrics_received,
                           created_at)
SELECT b.id, 'device-' || n, 'server', 'online', $2, $2, $2::timestamptz - interval '60 days'
FROM businesses b, generate_series(1, $1::integer) n

-- add_samples --
-- A sample of each device every five minutes. $1 from, $2 until.
INSERT INTO agent_metrics (agent_device_id, collected_at, received_at, cpu_percent, memory_percent, disk_percent,
                           load_average_1m, memory_used_gb, disk_used_gb)
SELECT d.id, t, t, 20 + 60 * random(), 40 + 20 * random(), 50 + random(), 4 * random(), 5 + random(), 100 + random()
FROM agent_devices d, generate_series($1::timestamptz, $2::timestamptz, interval '5 minutes') t

-- set_newest --
-- What an upload keeps with the device.
UPDATE agent_devices d
SET current_collected_at = m.collected_at,
    current_metrics = jsonb_build_object('cpu_percent', m.cpu_percent, 'memory_percent', m.memory_percent,
                                         'disk_percent', m.disk_percent, 'load_average_1m', m.load_average_1m)
FROM (SELECT DISTINCT ON (agent_device_id) * FROM agent_metrics WHERE collected_at > $1
      ORDER BY agent_device_id, collected_at DESC) m
WHERE m.agent_device_id = d.id

-- add_employee --
INSERT INTO employees (email) VALUES ('bench@msp.example') RETURNING id

-- forget_rules --
DELETE FROM agent_alerts

-- begin_anew --
UPDATE agent_alert_passes SET at = NULL, resumed_at = NULL

-- add_rules --
-- Rules of each business: shape number (business + k) % shapes for k below $2. $1 conditions, $2 rules for each business,
-- $3 employee.
INSERT INTO agent_alerts (alert_name, alert_type, severity, business_id, conditions, ticket_enabled, created_by)
SELECT 'rule ' || k, 'bench', 'warning', b.id, ($1::jsonb) -> ((b.number + k) % jsonb_array_length($1::jsonb))::integer,
       false, $3
FROM (SELECT id, row_number() OVER (ORDER BY id) AS number FROM businesses) b, generate_series(0, $2::integer - 1) k

-- add_rules_for_all --
-- The same shapes, one rule each, without a business. $1 conditions, $2 rules, $3 employee.
INSERT INTO agent_alerts (alert_name, alert_type, severity, conditions, ticket_enabled, created_by)
SELECT 'rule ' || k, 'bench', 'warning', ($1::jsonb) -> k, false, $3 FROM generate_series(0, $2::integer - 1) k
