-- Maintenance windows. Each change leaves a row in agent_audit.

-- list_windows --
-- A page of windows in the order of their names; those of all businesses are shown to employees only. :window_id one
-- window only (null: all), :tenant, :business_id, :after_name and :after_id name and id of the last one of the page
-- before, :limit, :device_id only those that reach this device (null: all). A device that moved to another business
-- keeps its name from the former one.
SELECT w.id, w.window_name, w.business_id, b.business_name, w.service_location_id, w.agent_device_id, w.weekdays,
       -- Years that only PostgreSQL holds, and 24:00, must not fail a whole page.
       CASE WHEN w.starts_at IS NOT NULL THEN GREATEST(LEAST(w.starts_at, '9999-01-01'), '0002-01-01') END AS starts_at,
       CASE WHEN w.ends_at IS NOT NULL THEN GREATEST(LEAST(w.ends_at, '9999-01-01'), '0002-01-01') END AS ends_at,
       w.local_start::text AS local_start, w.duration_minutes, w.time_zone, w.created_by, w.created_by_name,
       w.created_at, l.location_name, d.device_name
FROM agent_maintenance_windows w
LEFT JOIN businesses b ON b.id = w.business_id
LEFT JOIN service_locations l ON l.id = w.service_location_id AND (:tenant::uuid IS NULL OR l.business_id = :tenant)
LEFT JOIN agent_devices d ON d.id = w.agent_device_id AND NOT d.soft_delete
  AND (:tenant IS NULL OR d.business_id = :tenant)
WHERE (:window_id::uuid IS NULL OR w.id = :window_id)
  AND (:tenant::uuid IS NULL OR w.business_id = :tenant)
  AND (:business_id::uuid IS NULL OR w.business_id = :business_id)
  AND (:after_name::text IS NULL OR (w.window_name, w.id) > (:after_name, :after_id::uuid))
  AND (:device_id::uuid IS NULL OR EXISTS (
      SELECT FROM agent_devices r
      WHERE r.id = :device_id AND NOT r.soft_delete AND (:tenant IS NULL OR r.business_id = :tenant)
        AND (w.agent_device_id IS NULL OR w.agent_device_id = r.id)
        AND (w.service_location_id IS NULL OR w.service_location_id = r.service_location_id)
        AND (w.business_id IS NULL OR w.business_id = r.business_id)))
ORDER BY w.window_name, w.id
LIMIT :limit

-- create_window --
-- :name, :business_id, :service_location_id site, :device_id, :starts_at and :ends_at from when to when, or
-- :weekdays, :local_start, :duration_minutes, :time_zone; :now, :actor_kind, :actor_id, :actor_source.
WITH created AS (
    INSERT INTO agent_maintenance_windows
        (window_name, business_id, service_location_id, agent_device_id, starts_at, ends_at, weekdays, local_start,
         duration_minutes, time_zone, created_at, created_by)
    VALUES (:name, :business_id, :service_location_id, :device_id, :starts_at, :ends_at, :weekdays, :local_start,
            :duration_minutes, :time_zone, :now, :actor_id)
    RETURNING *
), audited AS (
    {audit}
    SELECT :now, {actor}, 'maintenance_window_created', agent_device_id,
           to_jsonb(created) FROM created
)
SELECT id FROM created

-- replace_window --
-- Parameters as of create_window, and :window_id.
WITH before AS (
    SELECT * FROM agent_maintenance_windows WHERE id = :window_id FOR NO KEY UPDATE
), changed AS (
    UPDATE agent_maintenance_windows w
    SET window_name = :name, business_id = :business_id, service_location_id = :service_location_id,
        agent_device_id = :device_id, starts_at = :starts_at,
        ends_at = :ends_at, weekdays = :weekdays, local_start = :local_start, duration_minutes = :duration_minutes,
            time_zone = :time_zone
    FROM before b
    WHERE w.id = b.id
    RETURNING w.*
)
{audit}
SELECT :now, {actor}, 'maintenance_window_changed', c.agent_device_id,
       to_jsonb(c) || jsonb_build_object('before', to_jsonb(b))
FROM changed c JOIN before b ON b.id = c.id

-- delete_window --
WITH deleted AS (
    DELETE FROM agent_maintenance_windows WHERE id = :window_id RETURNING *
), audited AS (
    {audit}
    SELECT :now, {actor}, 'maintenance_window_deleted', agent_device_id, to_jsonb(deleted) FROM deleted
)
SELECT id FROM deleted
