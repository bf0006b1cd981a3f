-- read_windows --
-- Maintenance windows that may be running; $1 now.
SELECT id, starts_at, ends_at, weekdays, local_start, duration_minutes, time_zone
FROM agent_maintenance_windows
WHERE weekdays IS NOT NULL OR (starts_at <= $1 AND ends_at > $1)

-- muted_devices --
-- The devices in these maintenance windows; $1 windows.
SELECT DISTINCT d.id
FROM agent_maintenance_windows w
JOIN agent_devices d
  ON (w.agent_device_id IS NULL OR d.id = w.agent_device_id)
 AND (w.service_location_id IS NULL OR d.service_location_id = w.service_location_id)
 AND (w.business_id IS NULL OR d.business_id = w.business_id)
WHERE w.id = ANY ($1::uuid[])
