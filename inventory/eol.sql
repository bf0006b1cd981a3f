-- End-of-life rules, and the marks that they leave in the inventory. agent_software_rule
-- (db/migrations/sql/inventory.sql) selects the rule that counts for a software.

-- list_rules --
-- A page of rules in the order of their names. :pattern LIKE pattern of the name, :after_key and :after_version sort
-- key and version prefix of the last one of the page before, :limit.
SELECT id, software_name, version_prefix, eol_date, latest_available_version, note, created_by, updated_by,
       created_by_name, updated_by_name, created_at,
       updated_at, applied_at, lower(software_name) AS sort_key
FROM agent_software_eol
WHERE deleted_at IS NULL
  AND (:pattern::text IS NULL OR lower(software_name) LIKE lower(:pattern))
  AND (:after_key::text IS NULL OR (lower(software_name) COLLATE "C", version_prefix COLLATE "C")
                                  > (:after_key, :after_version::text))
ORDER BY lower(software_name) COLLATE "C", version_prefix COLLATE "C"
LIMIT :limit

-- create_rule --
-- Make a rule and leave a trail.
WITH created AS (
    INSERT INTO agent_software_eol (software_name, version_prefix, eol_date, latest_available_version, note,
                                    created_by, updated_by, created_at, updated_at)
    VALUES (:software_name, :version_prefix, :eol_date, :latest_available_version, :note, :actor_id, :actor_id,
            :now, :now)
    RETURNING *
), audited AS (
    {audit}
    SELECT :now, {actor}, 'eol_rule_created', NULL,
           jsonb_build_object('eol_id', id, 'software_name', software_name, 'version_prefix', version_prefix,
                              'eol_date', eol_date, 'latest_available_version', latest_available_version)
    FROM created
)
SELECT * FROM created

-- change_rule --
-- Change those columns of a rule that an object names, and leave a trail of how they were; no row when there is no
-- such rule. The worker applies it again. :rule_id, :changes column -> value, :now, :actor_kind, :actor_id,
-- :actor_source.
WITH before AS (
    SELECT r AS rule FROM agent_software_eol r WHERE r.id = :rule_id AND r.deleted_at IS NULL FOR NO KEY UPDATE
), changed AS (
    UPDATE agent_software_eol r
    SET software_name = p.software_name, version_prefix = p.version_prefix, eol_date = p.eol_date,
        latest_available_version = p.latest_available_version, note = p.note,
        updated_at = :now, updated_by = :actor_id, applied_at = NULL, marked_to = NULL
    FROM before b CROSS JOIN LATERAL jsonb_populate_record(b.rule, :changes::jsonb) p
    WHERE r.id = p.id
    RETURNING r.*
), audited AS (
    {audit}
    SELECT :now, {actor}, 'eol_rule_changed', NULL,
           jsonb_build_object('eol_id', :rule_id::uuid, 'changed', :changes::jsonb, 'before',
                              (SELECT jsonb_object_agg(k, to_jsonb(b.rule) -> k)
                               FROM jsonb_object_keys(:changes::jsonb) k))
    FROM before b
)
SELECT * FROM changed

-- delete_rule --
-- Take a rule out of force and leave a trail; the worker clears its marks and drops it.
WITH deleted AS (
    UPDATE agent_software_eol
    SET deleted_at = :now, updated_at = :now, updated_by = :actor_id, applied_at = NULL, marked_to = NULL
    WHERE id = :rule_id AND deleted_at IS NULL
    RETURNING *
), audited AS (
    {audit}
    SELECT :now, {actor}, 'eol_rule_deleted', NULL,
           jsonb_build_object('eol_id', id, 'software_name', software_name, 'version_prefix', version_prefix,
                              'eol_date', eol_date, 'latest_available_version', latest_available_version)
    FROM deleted
)
SELECT id FROM deleted

-- next_rule --
-- The rule that has waited longest to be applied; a deleted one matches nothing any more. :postponed rules that are left
-- out now.
SELECT id, updated_at, marked_to, CASE WHEN deleted_at IS NULL THEN name_pattern END AS pattern
FROM agent_software_eol
WHERE applied_at IS NULL AND id <> ALL (:postponed::uuid[])
ORDER BY updated_at, id
LIMIT 1

-- wait_for_lists --
-- Wait for the lists that are being merged (queue_list in inventory.sql) and may not have seen the rule; those that
-- come later see it.
SELECT pg_advisory_xact_lock(7260, 1)

-- mark_batch --
-- Mark the next rows that a rule is or was in force for, each by the rule that counts for it now; returns the id of
-- the last one, null when there are no more. :rule_id, :pattern (null: deleted), :marked_to id of the last row done
-- (null: none), :today, :limit.
WITH batch AS (
    SELECT id, software_name, software_version
    FROM agent_software_inventory
    WHERE (eol_rule_id = :rule_id OR lower(software_name) COLLATE "C" LIKE :pattern::text)
      AND (:marked_to::uuid IS NULL OR id > :marked_to)
    ORDER BY id
    LIMIT :limit
    FOR NO KEY UPDATE
), marked AS (
    UPDATE agent_software_inventory i
    SET eol_rule_id = r.rule_id, eol_date = r.rule_date, is_eol = r.rule_date <= :today::date,
        latest_available_version = COALESCE(i.reported_latest_version, r.rule_latest)
    FROM batch b LEFT JOIN LATERAL agent_software_rule(b.software_name, b.software_version) r ON true
    WHERE i.id = b.id
      AND (i.eol_rule_id, i.eol_date, i.is_eol, i.latest_available_version) IS DISTINCT FROM
          (r.rule_id, r.rule_date, r.rule_date <= :today, COALESCE(i.reported_latest_version, r.rule_latest))
)
SELECT (SELECT id FROM batch ORDER BY id DESC LIMIT 1) AS marked_to

-- pause_rule --
-- Note how far a rule is applied, unless it was changed meanwhile. :rule_id, :updated_at when it had been changed,
-- :marked_to id of the last row done.
UPDATE agent_software_eol SET marked_to = :marked_to WHERE id = :rule_id AND updated_at = :updated_at

-- settle_rule --
-- Note that a rule is applied, or drop it when it is deleted; unless it was changed meanwhile. :rule_id, :updated_at
-- when it had been changed, :now.
WITH dropped AS (
    DELETE FROM agent_software_eol WHERE id = :rule_id AND updated_at = :updated_at AND deleted_at IS NOT NULL
)
UPDATE agent_software_eol SET applied_at = :now, marked_to = NULL
WHERE id = :rule_id AND updated_at = :updated_at AND deleted_at IS NULL

-- due_ends --
-- Software that has reached its end of life and is not marked. :postponed all but these, :today, :limit.
SELECT id FROM agent_software_inventory
WHERE eol_date <= :today::date AND NOT is_eol AND id <> ALL (:postponed::uuid[])
ORDER BY id
LIMIT :limit

-- reach_ends --
-- Mark software whose end of life is reached on a day; returns how many rows. :today, :limit rows at most, :only these
-- (or null).
WITH due AS (
    SELECT id FROM agent_software_inventory
    WHERE eol_date <= :today::date AND NOT is_eol AND (:only::uuid[] IS NULL OR id = ANY (:only))
    ORDER BY id
    LIMIT :limit
    FOR NO KEY UPDATE
), reached AS (
    UPDATE agent_software_inventory i SET is_eol = true FROM due WHERE i.id = due.id
)
SELECT count(*) FROM due
