-- Events of devices: written by agents, read by people.

-- add_event --
-- :device_id, :event_type, :occurred_at time by the device's clock, :now, :data.
INSERT INTO agent_events (agent_device_id, event_type, occurred_at, received_at, data)
VALUES (:device_id, :event_type, :occurred_at, :now, :data::jsonb)

-- read_events --
-- A device's events, newest first. :device_id, :tenant, :event_type (or null), :before id of the last one of the page
-- before (null: the newest), :limit events on a page.
SELECT e.id, e.event_type, e.occurred_at, e.received_at, e.data
FROM agent_devices d
JOIN agent_events e ON e.agent_device_id = d.id
WHERE d.id = :device_id AND NOT d.soft_delete
  AND (:tenant::uuid IS NULL OR (d.business_id = :tenant AND e.former_owner IS NULL))
  AND (:event_type::text IS NULL OR e.event_type = :event_type)
  AND (:before::bigint IS NULL
       OR (e.received_at, e.id) < (SELECT received_at,
                                   id FROM agent_events WHERE id = :before AND agent_device_id = :device_id))
ORDER BY e.received_at DESC, e.id DESC
LIMIT :limit

-- device_known --
-- Whether the caller may see a device; :deleted_too whether one that is deleted counts too.
SELECT EXISTS (SELECT FROM agent_devices
               WHERE id = :device_id AND (NOT soft_delete OR :deleted_too)
                 AND (:tenant::uuid IS NULL OR business_id = :tenant))
