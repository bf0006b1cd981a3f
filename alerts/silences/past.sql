-- Maintenance windows of the past.

-- windows_of_devices --
-- The windows that may have run in a range, cut to it, once for each device in them; weekly ones are always included.
-- :start, :end, :business_id (null: all).
SELECT d.id AS device_id, GREATEST(w.starts_at, :start::timestamptz) AS starts_at,
       LEAST(w.ends_at, :end::timestamptz + interval '1 day') AS ends_at, w.weekdays,
       w.local_start::text AS local_start, w.duration_minutes, w.time_zone
FROM agent_maintenance_windows w
JOIN agent_devices d
  ON (w.agent_device_id IS NULL OR d.id = w.agent_device_id)
 AND (w.service_location_id IS NULL OR d.service_location_id = w.service_location_id)
 AND (w.business_id IS NULL OR d.business_id = w.business_id)
WHERE (w.weekdays IS NOT NULL OR (w.starts_at <= :end::timestamptz AND w.ends_at > :start::timestamptz))
  AND NOT d.soft_delete AND (:business_id::uuid IS NULL OR d.business_id = :business_id)
