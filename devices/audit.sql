-- The audit trail as employees read it. Rows are written by the statements that make the change.

-- read_audit --
-- $1 device, $2 id of the last row of the page before (null: the newest), $3 rows on a page.
SELECT id, at, actor_kind, actor_id, host(source) AS source, action, command_id, details
FROM agent_audit
WHERE agent_device_id = $1 AND ($2::bigint IS NULL OR id < $2)
ORDER BY id DESC
LIMIT $3

-- read_trail --
-- $1 id of the last row of the page before (null: the newest), $2 rows on a page; filters, null for all: $3 actor,
-- $4 action, $5 device, $6 business (of the device, or named in the details), $7 start, $8 end (excluded).
SELECT trail.id, trail.at, trail.actor_kind, trail.actor_id, host(trail.source) AS source, trail.action,
       trail.agent_device_id AS agent_id, trail.command_id, trail.details
FROM agent_audit trail
WHERE ($1::bigint IS NULL OR trail.id < $1)
  AND ($3::uuid IS NULL OR trail.actor_id = $3)
  AND ($4::text IS NULL OR trail.action = $4)
  AND ($5::uuid IS NULL OR trail.agent_device_id = $5)
  AND ($6::uuid IS NULL OR trail.details ->> 'business_id' = $6::text
       OR trail.agent_device_id IN (SELECT device.id FROM agent_devices device WHERE device.business_id = $6))
  AND ($7::timestamptz IS NULL OR trail.at >= $7)
  AND ($8::timestamptz IS NULL OR trail.at < $8)
ORDER BY trail.id DESC
LIMIT $2
