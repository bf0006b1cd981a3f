-- End-of-life rules, and the marks that they leave in the inventory. agent_software_rule
-- (db/migrations/sql/inventory.sql) selects the rule that counts for a software.

-- list_rules --
-- A page of rules in the order of their names. $1 LIKE pattern of the name, $2 and $3 sort key and version prefix of
-- the last one of the page before, $4 rows.
SELECT id, software_name, version_prefix, eol_date, latest_available_version, note, created_by, updated_by,
       created_by_name, updated_by_name, created_at,
       updated_at, applied_at, lower(software_name) AS sort_key
FROM agent_software_eol
WHERE deleted_at IS NULL
  AND ($1::text IS NULL OR lower(software_name) LIKE lower($1))
  AND ($2::text IS NULL OR (lower(software_name) COLLATE "C", version_prefix COLLATE "C") > ($2, $3::text))
ORDER BY lower(software_name) COLLATE "C", version_prefix COLLATE "C"
LIMIT $4

-- create_rule --
-- Make a rule and leave a trail. $1 name, $2 version prefix, $3 date, $4 newest version, $5 note, $6 now, $7 kind of
-- actor, $8 employee, $9 address.
WITH made AS (
    INSERT INTO agent_software_eol (software_name, version_prefix, eol_date, latest_available_version, note,
                                    created_by, updated_by, created_at, updated_at)
    VALUES ($1, $2, $3, $4, $5, $8, $8, $6, $6)
    RETURNING *
), audited AS (
    INSERT INTO agent_audit (at, actor_kind, actor_id, source, action, details)
    SELECT $6, $7::text, $8, $9::inet, 'eol_rule_created',
           jsonb_build_object('eol_id', id, 'software_name', software_name, 'version_prefix', version_prefix,
                              'eol_date', eol_date, 'latest_available_version', latest_available_version)
    FROM made
)
SELECT * FROM made

-- change_rule --
-- Change those columns of a rule that an object names, and leave a trail of how they were; no row when there is no such
-- rule. The worker applies it anew. $1 rule, $2 column -> value, $3 now, $4 kind of actor, $5 employee, $6 address.
WITH before AS (
    SELECT r AS rule FROM agent_software_eol r WHERE r.id = $1 AND r.deleted_at IS NULL FOR NO KEY UPDATE
), changed AS (
    UPDATE agent_software_eol r
    SET software_name = p.software_name, version_prefix = p.version_prefix, eol_date = p.eol_date,
        latest_available_version = p.latest_available_version, note = p.note,
        updated_at = $3, updated_by = $5, applied_at = NULL, marked_to = NULL
    FROM before b CROSS JOIN LATERAL jsonb_populate_record(b.rule, $2::jsonb) p
    WHERE r.id = p.id
    RETURNING r.*
), audited AS (
    INSERT INTO agent_audit (at, actor_kind, actor_id, source, action, details)
    SELECT $3, $4::text, $5, $6::inet, 'eol_rule_changed',
           jsonb_build_object('eol_id', $1::uuid, 'changed', $2::jsonb, 'before',
                              (SELECT jsonb_object_agg(k, to_jsonb(b.rule) -> k) FROM jsonb_object_keys($2::jsonb) k))
    FROM before b
)
SELECT * FROM changed

-- delete_rule --
-- Take a rule out of force and leave a trail; the worker clears its marks and drops it. $1 rule, $2 now, $3 kind of
-- actor, $4 employee, $5 address.
WITH deleted AS (
    UPDATE agent_software_eol
    SET deleted_at = $2, updated_at = $2, updated_by = $4, applied_at = NULL, marked_to = NULL
    WHERE id = $1 AND deleted_at IS NULL
    RETURNING *
), audited AS (
    INSERT INTO agent_audit (at, actor_kind, actor_id, source, action, details)
    SELECT $2, $3::text, $4, $5::inet, 'eol_rule_deleted',
           jsonb_build_object('eol_id', id, 'software_name', software_name, 'version_prefix', version_prefix,
                              'eol_date', eol_date, 'latest_available_version', latest_available_version)
    FROM deleted
)
SELECT id FROM deleted

-- next_rule --
-- The rule that has waited longest to be applied; a deleted one matches nothing any more. $1 rules that are left out now.
SELECT id, updated_at, marked_to, CASE WHEN deleted_at IS NULL THEN name_pattern END AS pattern
FROM agent_software_eol
WHERE applied_at IS NULL AND id <> ALL ($1::uuid[])
ORDER BY updated_at, id
LIMIT 1

-- wait_for_lists --
-- Wait for the lists that are being merged (queue_list in inventory.sql) and may not have seen the rule; those that
-- come later see it.
SELECT pg_advisory_xact_lock(7260, 1)

-- mark_batch --
-- Mark the next rows that a rule is or was in force for, each by the rule that counts for it now; returns the id of the
-- last one, null when there are no more. $1 rule, $2 its pattern (null: deleted), $3 id of the last row done (null:
-- none), $4 today, $5 rows.
WITH batch AS (
    SELECT id, software_name, software_version
    FROM agent_software_inventory
    WHERE (eol_rule_id = $1 OR lower(software_name) COLLATE "C" LIKE $2::text)
      AND ($3::uuid IS NULL OR id > $3)
    ORDER BY id
    LIMIT $5
    FOR NO KEY UPDATE
), marked AS (
    UPDATE agent_software_inventory i
    SET eol_rule_id = r.rule_id, eol_date = r.rule_date, is_eol = r.rule_date <= $4::date,
        latest_available_version = COALESCE(i.reported_latest_version, r.rule_latest)
    FROM batch b LEFT JOIN LATERAL agent_software_rule(b.software_name, b.software_version) r ON true
    WHERE i.id = b.id
      AND (i.eol_rule_id, i.eol_date, i.is_eol, i.latest_available_version) IS DISTINCT FROM
          (r.rule_id, r.rule_date, r.rule_date <= $4, COALESCE(i.reported_latest_version, r.rule_latest))
)
SELECT (SELECT id FROM batch ORDER BY id DESC LIMIT 1) AS marked_to

-- pause_rule --
-- Note how far a rule is applied, unless it was changed meanwhile. $1 rule, $2 when it had been changed, $3 id of the
-- last row done.
UPDATE agent_software_eol SET marked_to = $3 WHERE id = $1 AND updated_at = $2

-- settle_rule --
-- Note that a rule is applied, or drop it when it is deleted; unless it was changed meanwhile. $1 rule, $2 when it had
-- been changed, $3 now.
WITH dropped AS (
    DELETE FROM agent_software_eol WHERE id = $1 AND updated_at = $2 AND deleted_at IS NOT NULL
)
UPDATE agent_software_eol SET applied_at = $3, marked_to = NULL
WHERE id = $1 AND updated_at = $2 AND deleted_at IS NULL

-- due_ends --
-- What reached its end of life and isn't marked. $1 all but these, $2 today, $3 most.
SELECT id FROM agent_software_inventory
WHERE eol_date <= $2::date AND NOT is_eol AND id <> ALL ($1::uuid[])
ORDER BY id
LIMIT $3

-- reach_ends --
-- Mark what reached its end of life by a day; returns how many rows. $1 today, $2 rows at most, $3 only these (or null).
WITH due AS (
    SELECT id FROM agent_software_inventory
    WHERE eol_date <= $1::date AND NOT is_eol AND ($3::uuid[] IS NULL OR id = ANY ($3))
    ORDER BY id
    LIMIT $2
    FOR NO KEY UPDATE
), reached AS (
    UPDATE agent_software_inventory i SET is_eol = true FROM due WHERE i.id = due.id
)
SELECT count(*) FROM due
