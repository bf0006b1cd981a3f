-- A fleet for benchmarks, made by the database itself.

-- add_businesses --
-- :businesses how many.
INSERT INTO businesses (business_name) SELECT 'business ' || n FROM generate_series(1, :businesses::integer) n

-- add_devices --
-- The same number of devices for each business, all heard just now. :devices_each how many, :now.
INSERT INTO agent_devices (business_id, device_name, device_type, status, last_heartbeat, last_metrics_received,
                           created_at)
SELECT b.id, 'device-' || n, 'server', 'online', :now, :now, :now::timestamptz - interval '60 days'
FROM businesses b, generate_series(1, :devices_each::integer) n

-- add_samples --
-- A sample of each device every five minutes.
INSERT INTO agent_metrics (agent_device_id, collected_at, received_at, cpu_percent, memory_percent, disk_percent,
                           load_average_1m, memory_used_gb, disk_used_gb)
SELECT d.id, t, t, 20 + 60 * random(), 40 + 20 * random(), 50 + random(), 4 * random(), 5 + random(), 100 + random()
FROM agent_devices d, generate_series(:start::timestamptz, :end::timestamptz, interval '5 minutes') t

-- set_newest --
-- What an upload keeps with the device.
UPDATE agent_devices d
SET current_collected_at = m.collected_at,
    current_metrics = jsonb_build_object('cpu_percent', m.cpu_percent, 'memory_percent', m.memory_percent,
                                         'disk_percent', m.disk_percent, 'load_average_1m', m.load_average_1m)
FROM (SELECT DISTINCT ON (agent_device_id) * FROM agent_metrics WHERE collected_at > :since
      ORDER BY agent_device_id, collected_at DESC) m
WHERE m.agent_device_id = d.id

-- add_employee --
INSERT INTO employees (email) VALUES ('bench@msp.example') RETURNING id

-- forget_rules --
DELETE FROM agent_alerts

-- begin_anew --
UPDATE agent_alert_passes SET at = NULL, resumed_at = NULL

-- add_rules --
-- Rules of each business: shape number (business + k) % shapes for k below :rules_each. :shapes conditions,
-- :rules_each rules for each business, :employee_id.
INSERT INTO agent_alerts (alert_name, alert_type, severity, business_id, conditions, ticket_enabled, created_by)
SELECT 'rule ' || k, 'bench', 'warning', b.id,
       (:shapes::jsonb) -> ((b.number + k) % jsonb_array_length(:shapes::jsonb))::integer,
       false, :employee_id
FROM (SELECT id, row_number() OVER (ORDER BY id) AS number FROM businesses) b,
     generate_series(0, :rules_each::integer - 1) k

-- add_rules_for_all --
-- The same shapes, one rule each, without a business. :shapes conditions, :rules_each, :employee_id.
INSERT INTO agent_alerts (alert_name, alert_type, severity, conditions, ticket_enabled, created_by)
SELECT 'rule ' || k, 'bench', 'warning', (:shapes::jsonb) -> k, false, :employee_id
FROM generate_series(0, :rules_each::integer - 1) k
