-- Text that the named statements of all rooms share. A statement names a fragment in braces, `{audit}`.

-- audit --
-- A row of the audit trail, in the statement that makes the change, so that neither exists without the other. Unlike a
-- call of a function in a SELECT, an INSERT in a WITH always runs. The values follow in this order.
INSERT INTO agent_audit (at, actor_kind, actor_id, source, action, agent_device_id, details)

-- command_audit --
-- A row of the audit trail about a command.
INSERT INTO agent_audit (at, actor_kind, actor_id, source, action, agent_device_id, command_id, details)

-- actor --
-- The caller who makes a change: parameters of `devices.audit.Actor`.
:actor_kind::text, :actor_id::uuid, :actor_source::inet

-- system --
-- The product itself makes a change, by a periodic task or in consequence of another one.
'system', NULL, NULL
