-- Changes of retention: the state that a plan was made for, and each change with its trail.

-- read_state --
-- Which database this is, and the holds in force.
SELECT current_database()::text AS database,
       (SELECT COALESCE(array_agg(id ORDER BY id), '{}') FROM agent_legal_holds WHERE released_at IS NULL) AS holds

-- find_waiting --
-- The change that waits; null where none does.
SELECT id FROM agent_retention_changes WHERE state = 'waiting'

-- limit_waits --
-- Wait at most two seconds for a lock that others hold, until the end of this transaction.
SELECT set_config('lock_timeout', '2s', true)

-- lock_values --
-- One change at a time.
SELECT level FROM agent_storage_levels ORDER BY level FOR UPDATE

-- add_change --
-- A change that waits until it is due, with its trail. Returns its number. $1 now, $2 due, $3 by whom, $4 reason,
-- $5 before, $6 after, $7 plan, $8 kind of actor, $9 employee, $10 address.
WITH made AS (
    INSERT INTO agent_retention_changes (state, requested_at, due_at, requested_by, reason, before, after, plan)
    VALUES ('waiting', $1, $2, $3, $4, $5::jsonb, $6::jsonb, $7::jsonb)
    RETURNING *
), audited AS (
    INSERT INTO agent_audit (at, actor_kind, actor_id, source, action, details)
    SELECT $1, $8::text, $9, $10::inet, 'retention_change_requested',
           jsonb_build_object('change_id', id, 'by', requested_by, 'reason', reason, 'before_days', before,
                              'after_days', after, 'due_at', due_at, 'plan', plan ->> 'hash')
    FROM made
)
SELECT id FROM made

-- claim_due --
-- The change that is due, locked; no row where none is, or another worker has it. $1 now.
SELECT id, before, after FROM agent_retention_changes
WHERE state = 'waiting' AND due_at <= $1
FOR UPDATE SKIP LOCKED

-- set_keep --
-- Put the ages of a change in force. $1 level, $2 age, $3 change.
UPDATE agent_storage_levels SET keep = $2, version = $3 WHERE level = $1 AND keep IS DISTINCT FROM $2

-- note_applied --
-- A change is in force, with its trail. $1 change, $2 now, $3 oldest chunks by relation.
WITH done AS (
    UPDATE agent_retention_changes SET state = 'applied', applied_at = $2, oldest = $3::jsonb WHERE id = $1
    RETURNING *
)
INSERT INTO agent_audit (at, actor_kind, action, details)
SELECT $2, 'system', 'retention_change_applied',
       jsonb_build_object('change_id', id, 'by', requested_by, 'before_days', before, 'after_days', after)
FROM done

-- read_change --
-- A change, locked; `is_newest` when no later one is applied or waits. $1 change.
SELECT c.id, c.state, c.before, c.after, c.oldest,
       NOT EXISTS (SELECT FROM agent_retention_changes l WHERE l.id > c.id AND l.state <> 'undone') AS is_newest
FROM agent_retention_changes c
WHERE c.id = $1
FOR UPDATE

-- note_undone --
-- A change is undone, with its trail. $1 change, $2 now, $3 by whom, $4 kind of actor, $5 employee, $6 address.
WITH done AS (
    UPDATE agent_retention_changes SET state = 'undone', undone_at = $2, undone_by = $3 WHERE id = $1 RETURNING *
)
INSERT INTO agent_audit (at, actor_kind, actor_id, source, action, details)
SELECT $2, $4::text, $5, $6::inet, 'retention_change_undone',
       jsonb_build_object('change_id', id, 'by', undone_by, 'before_days', before, 'after_days', after,
                          'was_applied', applied_at IS NOT NULL)
FROM done

-- list_changes --
-- The newest changes first. $1 most rows.
SELECT id, state, requested_at, due_at, applied_at, undone_at, requested_by, undone_by, reason, before, after,
       plan ->> 'hash' AS plan_hash,
       (SELECT COALESCE(sum((e ->> 'bytes')::bigint), 0) FROM jsonb_array_elements(plan -> 'effects') e)::bigint
           AS planned_bytes
FROM agent_retention_changes
ORDER BY id DESC
LIMIT $1
