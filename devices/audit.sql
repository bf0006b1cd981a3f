-- The audit trail as employees read it. Rows are written by the statements that make the change. They keep the id of an
-- employee; the name is the one that the platform's table has now, null for an employee who was deleted.

-- read_audit --
-- Without reads, which are in the whole trail. $1 device, $2 id of the last row of the page before (null: the newest),
-- $3 rows on a page.
SELECT trail.id, trail.at, trail.actor_kind, trail.actor_id, person.actor_name, host(trail.source) AS source,
       trail.action, trail.command_id, trail.details
FROM agent_audit trail
LEFT JOIN LATERAL (
    SELECT COALESCE(NULLIF(concat_ws(' ', p.found ->> 'first_name', p.found ->> 'last_name'), ''),
                    p.found ->> 'name', p.found ->> 'email') AS actor_name
    FROM (SELECT to_jsonb(e) AS found FROM employees e WHERE e.id = trail.actor_id) p
    WHERE trail.actor_kind = 'employee'
) person ON true
WHERE trail.agent_device_id = $1 AND trail.action NOT IN ('outputs_read', 'commands_read', 'inventory_read')
  AND ($2::bigint IS NULL OR trail.id < $2)
ORDER BY trail.id DESC
LIMIT $3

-- read_trail --
-- $1 id of the last row of the page before (null: the newest), $2 rows on a page; filters, null for all: $3 actor,
-- $4 action, $5 device, $6 business (of the device, or named in the details), $7 start, $8 end (excluded).
SELECT trail.id, trail.at, trail.actor_kind, trail.actor_id, person.actor_name, host(trail.source) AS source,
       trail.action, trail.agent_device_id AS agent_id, trail.command_id, trail.details
FROM agent_audit trail
LEFT JOIN LATERAL (
    SELECT COALESCE(NULLIF(concat_ws(' ', p.found ->> 'first_name', p.found ->> 'last_name'), ''),
                    p.found ->> 'name', p.found ->> 'email') AS actor_name
    FROM (SELECT to_jsonb(e) AS found FROM employees e WHERE e.id = trail.actor_id) p
    WHERE trail.actor_kind = 'employee'
) person ON true
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

-- add_refused_calls --
-- Rows of calls that were refused. Arrays run in parallel: $1 times, $2 kinds of actors, $3 actors, $4 sources, $5 details.
INSERT INTO agent_audit (at, actor_kind, actor_id, source, action, details)
SELECT c.at, c.kind, c.actor, c.source, 'call_refused', c.details
FROM unnest($1::timestamptz[], $2::text[], $3::uuid[], $4::inet[], $5::jsonb[])
    AS c (at, kind, actor, source, details)

-- add_read --
-- Somebody read what may hold secrets. $1 now, $2 kind of the actor, $3 actor, $4 source, $5 action, $6 device or null,
-- $7 details.
INSERT INTO agent_audit (at, actor_kind, actor_id, source, action, agent_device_id, details)
VALUES ($1, $2, $3, $4::inet, $5, $6, $7::jsonb)
