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
-- A change that waits until it is due, with its trail. Returns its number. :now, :due, :operator by whom, :reason,
-- :before, :after, :plan, :actor_kind, :actor_id, :actor_source.
WITH created AS (
    INSERT INTO agent_retention_changes (state, requested_at, due_at, requested_by, reason, before, after, plan)
    VALUES ('waiting', :now, :due, :operator, :reason, :before::jsonb, :after::jsonb, :plan::jsonb)
    RETURNING *
), audited AS (
    {audit}
    SELECT :now, {actor}, 'retention_change_requested', NULL,
           jsonb_build_object('change_id', id, 'by', requested_by, 'reason', reason, 'before_days', before,
                              'after_days', after, 'due_at', due_at, 'plan', plan ->> 'hash')
    FROM created
)
SELECT id FROM created

-- claim_due --
-- The change that is due, locked; no row where none is, or another worker has it.
SELECT id, before, after FROM agent_retention_changes
WHERE state = 'waiting' AND due_at <= :now
FOR UPDATE SKIP LOCKED

-- set_keep --
-- Put the ages of a change in force. :level, :keep age, :change.
UPDATE agent_storage_levels SET keep = :keep, version = :change WHERE level = :level AND keep IS DISTINCT FROM :keep

-- note_applied --
-- A change is in force, with its trail. :change, :now, :oldest chunks by relation.
WITH done AS (
    UPDATE agent_retention_changes SET state = 'applied', applied_at = :now, oldest = :oldest::jsonb WHERE id = :change
    RETURNING *
)
{audit}
SELECT :now, {system}, 'retention_change_applied', NULL,
       jsonb_build_object('change_id', id, 'by', requested_by, 'before_days', before, 'after_days', after)
FROM done

-- read_change --
-- A change, locked; `is_newest` when no later one is applied or waits.
SELECT c.id, c.state, c.before, c.after, c.oldest, c.applied_at,
       NOT EXISTS (SELECT FROM agent_retention_changes l WHERE l.id > c.id AND l.state <> 'undone') AS is_newest
FROM agent_retention_changes c
WHERE c.id = :change
FOR UPDATE

-- note_undone --
-- A change is undone, with its trail. :change, :now, :operator by whom, :actor_kind, :actor_id, :actor_source.
WITH done AS (
    UPDATE agent_retention_changes SET state = 'undone', undone_at = :now,
        undone_by = :operator WHERE id = :change RETURNING *
)
{audit}
SELECT :now, {actor}, 'retention_change_undone', NULL,
       jsonb_build_object('change_id', id, 'by', undone_by, 'before_days', before, 'after_days', after,
                          'was_applied', applied_at IS NOT NULL)
FROM done

-- list_changes --
-- The newest changes first.
SELECT id, state, requested_at, due_at, applied_at, undone_at, requested_by, undone_by, reason, before, after,
       plan ->> 'hash' AS plan_hash,
       (SELECT COALESCE(sum((e ->> 'bytes')::bigint), 0) FROM jsonb_array_elements(plan -> 'effects') e)::bigint
           AS planned_bytes,
       (SELECT f.reason FROM agent_isolated_faults f
        WHERE f.task = 'retention changes' AND f.item = 'change:' || c.id AND c.state = 'waiting') AS error_message
FROM agent_retention_changes c
ORDER BY id DESC
LIMIT :limit
