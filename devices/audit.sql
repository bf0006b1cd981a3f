-- Reads of the audit trail for employees. The statement of a change writes its row. A row has the id of an employee;
-- the name is the present one of the platform's table, null for an employee who was deleted.

-- read_audit --
-- Without reads, which are in the whole trail. :device_id, :before id of the last row of the page before (null: the
-- newest), :limit.
SELECT trail.id, trail.at, trail.actor_kind, trail.actor_id, agent_person_name(to_jsonb(person)) AS actor_name, host(trail.source) AS source,
       trail.action, trail.command_id, trail.details
FROM agent_audit trail
LEFT JOIN employees person ON person.id = trail.actor_id AND trail.actor_kind = 'employee'
WHERE trail.agent_device_id = :device_id AND trail.action NOT IN ('outputs_read', 'commands_read', 'inventory_read')
  AND (:before::bigint IS NULL OR trail.id < :before)
ORDER BY trail.id DESC
LIMIT :limit

-- read_trail --
-- :before id of the last row of the page before (null: the newest), :limit; filters, null for all: :actor_id,
-- :action, :agent_id device, :business_id (of the device, or named in the details), :start, :end (excluded).
SELECT trail.id, trail.at, trail.actor_kind, trail.actor_id, agent_person_name(to_jsonb(person)) AS actor_name, host(trail.source) AS source,
       trail.action, trail.agent_device_id AS agent_id, trail.command_id, trail.details
FROM agent_audit trail
LEFT JOIN employees person ON person.id = trail.actor_id AND trail.actor_kind = 'employee'
WHERE (:before::bigint IS NULL OR trail.id < :before)
  AND (:actor_id::uuid IS NULL OR trail.actor_id = :actor_id)
  AND (:action::text IS NULL OR trail.action = :action)
  AND (:agent_id::uuid IS NULL OR trail.agent_device_id = :agent_id)
  AND (:business_id::uuid IS NULL OR trail.details ->> 'business_id' = :business_id::text
       OR trail.agent_device_id IN (SELECT device.id FROM agent_devices device WHERE device.business_id = :business_id))
  AND (:start::timestamptz IS NULL OR trail.at >= :start)
  AND (:end::timestamptz IS NULL OR trail.at < :end)
ORDER BY trail.id DESC
LIMIT :limit

-- add_refused_calls --
-- Rows of calls that were refused. Arrays run in parallel: :times, :actor_kinds, :actor_ids actors, :sources,
-- :details.
{audit}
SELECT c.at, c.kind, c.actor, c.source, 'call_refused', NULL, c.details
FROM unnest(:times::timestamptz[], :actor_kinds::text[], :actor_ids::uuid[], :sources::inet[], :details::jsonb[])
    AS c (at, kind, actor, source, details)

-- add_read --
-- Record a read of data that may hold secrets. :now, :actor_kind, :actor_id, :actor_source, :action, :device_id device
-- or null, :details.
{audit}
SELECT :now, {actor}, :action, :device_id, :details::jsonb
