-- What the benchmark of the web pages needs besides a fleet.

-- add_day --
-- A sample every minute of one device. :start, :now until.
WITH device AS (SELECT id FROM agent_devices ORDER BY device_name, id LIMIT 1),
written AS (
    INSERT INTO agent_metrics (agent_device_id, collected_at, received_at, cpu_percent, memory_percent, disk_percent,
                               load_average_1m, memory_used_gb, disk_used_gb)
    SELECT d.id, t, t, 20 + 60 * random(), 40 + 20 * random(), 50 + random(), 4 * random(), 5 + random(), 100 + random()
    FROM device d, generate_series(:start::timestamptz, :now::timestamptz, interval '1 minute') t
)
SELECT id FROM device

-- set_values --
-- What an upload keeps with each device.
UPDATE agent_devices
SET current_collected_at = :now, os_type = 'linux', hostname = device_name,
    current_metrics = jsonb_build_object('cpu_percent', 100 * random(), 'memory_percent', 60, 'disk_percent', 70)
