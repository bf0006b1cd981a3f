-- The audit trail as employees read it. Rows are written by the statements that make the change.

-- read_audit --
-- $1 device, $2 id of the last row of the page before (null: the newest), $3 rows on a page.
SELECT id, at, actor_kind, actor_id, host(source) AS source, action, command_id, details
FROM agent_audit
WHERE agent_device_id = $1 AND ($2::bigint IS NULL OR id < $2)
ORDER BY id DESC
LIMIT $3
