-- Retention of one business.

-- read_tenant --
-- A business with its present and former ages by level. No row for an unknown business.
SELECT b.id, b.business_name AS name,
       (SELECT count(*) FROM agent_devices d WHERE d.business_id = b.id) AS devices
FROM businesses b WHERE b.id = :business_id

-- list_tenant_ages --
-- Levels of single businesses that differ from those of all, or did until a moment ago.
SELECT t.business_id, b.business_name AS name, t.level, t.keep, t.former_keep, t.former_until, t.changed_at,
       t.changed_by, t.reason, r.trimmed_until, COALESCE(r.trimmed_rows, 0) AS trimmed_rows
FROM agent_tenant_ages t
JOIN businesses b ON b.id = t.business_id
LEFT JOIN agent_tenant_trims r ON r.business_id = t.business_id AND r.level = t.level
ORDER BY b.business_name, t.business_id, array_position(ARRAY['raw', '5m', '1h', '1d'], t.level)

-- set_tenant_age --
-- Set the age of one level of a business. :business_id, :level, :keep (null: as for all), :before the former age,
-- :now, :until when rows within the former age may be deleted, :operator, :reason.
INSERT INTO agent_tenant_ages AS t (business_id, level, keep, former_keep, former_until, changed_at, changed_by, reason)
VALUES (:business_id, :level, :keep, :before, :until, :now, :operator, :reason)
ON CONFLICT (business_id, level) DO UPDATE
SET keep = EXCLUDED.keep, former_keep = GREATEST(t.former_keep, EXCLUDED.former_keep),
    former_until = EXCLUDED.former_until, changed_at = EXCLUDED.changed_at, changed_by = EXCLUDED.changed_by,
    reason = EXCLUDED.reason

-- add_trail --
-- :now, :business_id, :before and :after days by level, :operator, :reason; :actor_kind, :actor_id, :actor_source.
{audit}
VALUES (:now, {actor}, 'retention_of_business_changed', NULL,
        jsonb_build_object('business_id', :business_id::uuid, 'by', :operator::text, 'reason', :reason::text,
                           'before_days', :before::jsonb, 'after_days', :after::jsonb))

-- settle_ages --
-- End the grace period: rows within the former age may be deleted from now on. Returns the number of levels.
WITH settled AS (
    UPDATE agent_tenant_ages SET former_keep = NULL, former_until = NULL
    WHERE former_until <= :now AND keep IS NOT NULL
    RETURNING level
), ended AS (
    DELETE FROM agent_tenant_ages WHERE former_until <= :now AND keep IS NULL RETURNING level
)
SELECT (SELECT count(*) FROM settled) + (SELECT count(*) FROM ended)

-- list_businesses --
-- Businesses with devices, and until when their rows are deleted by level.
SELECT b.id, ARRAY(SELECT level FROM agent_tenant_trims t WHERE t.business_id = b.id ORDER BY level) AS levels,
       ARRAY(SELECT trimmed_until FROM agent_tenant_trims t WHERE t.business_id = b.id ORDER BY level) AS trimmed
FROM businesses b
WHERE EXISTS (SELECT FROM agent_devices d WHERE d.business_id = b.id)
ORDER BY b.id

-- list_devices --
-- Devices of a business with their series, without those under legal hold.
SELECT d.id, ARRAY(SELECT s.id FROM agent_series s WHERE s.agent_device_id = d.id ORDER BY s.id) AS series_ids
FROM agent_devices d
WHERE d.business_id = :business_id AND d.id NOT IN (SELECT agent_device_id FROM agent_held_devices)
ORDER BY d.id

-- limit_waits --
-- Wait at most two seconds for a lock that others hold, until the end of this transaction.
SELECT set_config('lock_timeout', '2s', true)

-- note_trim --
-- :business_id, :level, :until, :now, :rows.
INSERT INTO agent_tenant_trims AS t (business_id, level, trimmed_until, trimmed_at, trimmed_rows)
VALUES (:business_id, :level, :until, :now, :rows)
ON CONFLICT (business_id, level) DO UPDATE
SET trimmed_until = EXCLUDED.trimmed_until, trimmed_at = EXCLUDED.trimmed_at,
    trimmed_rows = t.trimmed_rows + EXCLUDED.trimmed_rows
