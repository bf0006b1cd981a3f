-- Events of devices: written by agents, read by people, deleted by age.

-- add_event --
-- $1 device, $2 type, $3 time by the device's clock, $4 now, $5 data.
INSERT INTO agent_events (agent_device_id, event_type, occurred_at, received_at, data)
SELECT $1, $2, $3, $4, $5::jsonb
FROM (SELECT pg_notify('rts_live', 'devices')) woken

-- read_events --
-- A device's events, newest first. $1 device, $2 tenant, $3 type (or null), $4 id of the last one of the page before
-- (null: the newest), $5 events on a page.
SELECT e.id, e.event_type, e.occurred_at, e.received_at, e.data
FROM agent_devices d
JOIN agent_events e ON e.agent_device_id = d.id
WHERE d.id = $1 AND NOT d.soft_delete AND ($2::uuid IS NULL OR (d.business_id = $2 AND e.former_owner IS NULL))
  AND ($3::text IS NULL OR e.event_type = $3)
  AND ($4::bigint IS NULL
       OR (e.received_at, e.id) < (SELECT received_at, id FROM agent_events WHERE id = $4 AND agent_device_id = $1))
ORDER BY e.received_at DESC, e.id DESC
LIMIT $5

-- device_known --
-- Whether the caller may see a device; $3 whether one that is deleted counts too. $1 device, $2 tenant.
SELECT EXISTS (SELECT FROM agent_devices
               WHERE id = $1 AND (NOT soft_delete OR $3) AND ($2::uuid IS NULL OR business_id = $2))

-- prune_events --
-- Forget what happened long ago, the oldest first. Returns how many events. $1 before when, $2 most events.
WITH gone AS (
    DELETE FROM agent_events
    WHERE id IN (SELECT id FROM agent_events WHERE received_at < $1 ORDER BY received_at LIMIT $2
                 FOR UPDATE SKIP LOCKED)
    RETURNING id
)
SELECT count(*) FROM gone
