-- read_windows --
-- Maintenance windows that may be running: those with a date are; the caller decides for weekly ones. Times that
-- only PostgreSQL can hold (24:00, the year 20000) are compared here or given as text.
SELECT id, weekdays IS NULL AS is_running, weekdays, local_start::text AS local_start, duration_minutes, time_zone
FROM agent_maintenance_windows
WHERE weekdays IS NOT NULL OR (starts_at <= :now AND ends_at > :now)

-- muted_devices --
-- The devices in these maintenance windows; :windows.
SELECT DISTINCT d.id
FROM agent_maintenance_windows w
JOIN agent_devices d
  ON (w.agent_device_id IS NULL OR d.id = w.agent_device_id)
 AND (w.service_location_id IS NULL OR d.service_location_id = w.service_location_id)
 AND (w.business_id IS NULL OR d.business_id = w.business_id)
WHERE w.id = ANY (:windows::uuid[])
