-- Maintenance windows. Each change leaves a row in agent_audit.

-- list_windows --
-- A page of windows in the order of their names; those of all businesses are shown to employees only. $1 one window only
-- (null: all), $2 tenant, $3 business, $4 and $5 name and id of the last one of the page before, $6 rows, $7 only those
-- that reach this device (null: all). A device that moved to another business keeps its name from the former one.
SELECT w.id, w.window_name, w.business_id, b.business_name, w.service_location_id, w.agent_device_id, w.weekdays,
       -- Years that only PostgreSQL holds, and 24:00, must not fail a whole page.
       CASE WHEN w.starts_at IS NOT NULL THEN GREATEST(LEAST(w.starts_at, '9999-01-01'), '0002-01-01') END AS starts_at,
       CASE WHEN w.ends_at IS NOT NULL THEN GREATEST(LEAST(w.ends_at, '9999-01-01'), '0002-01-01') END AS ends_at,
       w.local_start::text AS local_start, w.duration_minutes, w.time_zone, w.created_by, w.created_by_name,
       w.created_at, l.location_name, d.device_name
FROM agent_maintenance_windows w
LEFT JOIN businesses b ON b.id = w.business_id
LEFT JOIN service_locations l ON l.id = w.service_location_id AND ($2::uuid IS NULL OR l.business_id = $2)
LEFT JOIN agent_devices d ON d.id = w.agent_device_id AND NOT d.soft_delete AND ($2 IS NULL OR d.business_id = $2)
WHERE ($1::uuid IS NULL OR w.id = $1)
  AND ($2::uuid IS NULL OR w.business_id = $2)
  AND ($3::uuid IS NULL OR w.business_id = $3)
  AND ($4::text IS NULL OR (w.window_name, w.id) > ($4, $5::uuid))
  AND ($7::uuid IS NULL OR EXISTS (
      SELECT FROM agent_devices r
      WHERE r.id = $7 AND NOT r.soft_delete AND ($2 IS NULL OR r.business_id = $2)
        AND (w.agent_device_id IS NULL OR w.agent_device_id = r.id)
        AND (w.service_location_id IS NULL OR w.service_location_id = r.service_location_id)
        AND (w.business_id IS NULL OR w.business_id = r.business_id)))
ORDER BY w.window_name, w.id
LIMIT $6

-- create_window --
-- $1 name, $2 business, $3 site, $4 device, $5 and $6 from when to when, or $7 weekdays, $8 local start, $9 minutes,
-- $10 time zone; $11 now, $12 kind of actor, $13 employee, $14 address.
WITH made AS (
    INSERT INTO agent_maintenance_windows
        (window_name, business_id, service_location_id, agent_device_id, starts_at, ends_at, weekdays, local_start,
         duration_minutes, time_zone, created_at, created_by)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $13)
    RETURNING *
), audited AS (
    INSERT INTO agent_audit (at, actor_kind, actor_id, source, action, agent_device_id, details)
    SELECT $11, $12::text, $13, $14::inet, 'maintenance_window_created', agent_device_id, to_jsonb(made) FROM made
)
SELECT id FROM made

-- replace_window --
-- Parameters as of create_window, and $15 window.
WITH before AS (
    SELECT * FROM agent_maintenance_windows WHERE id = $15 FOR NO KEY UPDATE
), changed AS (
    UPDATE agent_maintenance_windows w
    SET window_name = $1, business_id = $2, service_location_id = $3, agent_device_id = $4, starts_at = $5,
        ends_at = $6, weekdays = $7, local_start = $8, duration_minutes = $9, time_zone = $10
    FROM before b
    WHERE w.id = b.id
    RETURNING w.*
)
INSERT INTO agent_audit (at, actor_kind, actor_id, source, action, agent_device_id, details)
SELECT $11, $12::text, $13::uuid, $14::inet, 'maintenance_window_changed', c.agent_device_id,
       to_jsonb(c) || jsonb_build_object('before', to_jsonb(b))
FROM changed c JOIN before b ON b.id = c.id

-- delete_window --
-- $1 window, $2 now, $3 kind of actor, $4 employee, $5 address.
WITH gone AS (
    DELETE FROM agent_maintenance_windows WHERE id = $1 RETURNING *
), audited AS (
    INSERT INTO agent_audit (at, actor_kind, actor_id, source, action, agent_device_id, details)
    SELECT $2, $3::text, $4::uuid, $5::inet, 'maintenance_window_deleted', agent_device_id, to_jsonb(gone) FROM gone
)
SELECT id FROM gone
