-- Legal holds.

-- place_hold --
-- Place a hold with its trail, and keep which devices it protects. Returns its number; null if there is no data of
-- such a device or business. :kind, :subject_id device or business, :reason, :now, :operator by whom, :ends_at end,
-- :actor_kind, :actor_id, :actor_source.
WITH device AS (
    SELECT id, device_name FROM agent_devices
    WHERE id = :subject_id AND :kind::text = 'device' OR business_id = :subject_id AND :kind = 'business'
    UNION
    SELECT o.agent_device_id, NULL FROM agent_device_owners o WHERE o.business_id = :subject_id AND :kind = 'business'
), subject AS (
    SELECT COALESCE((SELECT min(device_name) FROM device WHERE :kind = 'device'),
                    (SELECT business_name FROM businesses WHERE id = :subject_id AND :kind = 'business')) AS name
), placed AS (
    INSERT INTO agent_legal_holds (business_id, agent_device_id, subject, reason, placed_at, placed_by, ends_at,
                                   devices)
    SELECT CASE WHEN :kind = 'business' THEN :subject_id::uuid END,
           CASE WHEN :kind = 'device' THEN :subject_id::uuid END, s.name, :reason, :now, :operator,
           :ends_at::timestamptz, ARRAY(SELECT DISTINCT id FROM device)
    FROM subject s
    WHERE s.name IS NOT NULL
    RETURNING *
), audited AS (
    {audit}
    SELECT :now, {actor}, 'legal_hold_placed', agent_device_id,
           jsonb_build_object('hold_id', id, 'by', placed_by, 'business_id', business_id, 'subject', subject,
                              'reason', reason, 'ends_at', ends_at, 'devices', cardinality(devices))
    FROM placed
)
SELECT id FROM placed

-- release_hold --
-- Release a hold with its trail. Returns its number; null for one that is not in force. :hold, :now, :operator by
-- whom, :actor_kind, :actor_id, :actor_source.
WITH released AS (
    UPDATE agent_legal_holds SET released_at = :now,
        released_by = :operator WHERE id = :hold AND released_at IS NULL RETURNING *
), audited AS (
    {audit}
    SELECT :now, {actor}, 'legal_hold_released', agent_device_id,
           jsonb_build_object('hold_id', id, 'by', released_by, 'business_id', business_id, 'subject', subject)
    FROM released
)
SELECT id FROM released

-- list_holds --
-- All holds, those in force first.
SELECT h.id, CASE WHEN h.business_id IS NULL THEN 'device' ELSE 'business' END AS kind,
       COALESCE(h.business_id, h.agent_device_id) AS subject_id,
       h.subject, h.reason, h.placed_at, h.placed_by, h.ends_at,
       h.released_at, h.released_by,
       CASE WHEN h.released_at IS NULL THEN (SELECT count(*) FROM agent_held_devices d WHERE d.hold_id = h.id)
            ELSE cardinality(h.devices) END AS devices,
       (SELECT f.reason FROM agent_isolated_faults f
        WHERE f.task = 'legal holds' AND f.item = 'hold:' || h.id AND h.released_at IS NULL) AS error_message
FROM agent_legal_holds h
ORDER BY h.released_at IS NOT NULL, h.id DESC

-- list_ended --
-- Holds whose end has come.
SELECT id FROM agent_legal_holds WHERE released_at IS NULL AND ends_at <= :now ORDER BY id

-- has_gone --
-- Whether a held device was deleted: which series were its is then unknown, and none are dropped.
SELECT EXISTS (SELECT FROM agent_held_devices h
               WHERE NOT EXISTS (SELECT FROM agent_devices d WHERE d.id = h.agent_device_id))

-- drop_old_chunks --
-- Drop the chunks of a relation that end before a time.
SELECT agent_drop_old_chunks(:relation, :time)

-- first_held_agent_metrics --
-- When the first data of a held device begins before :until; null where there is none.
SELECT min(collected_at) FROM agent_metrics
WHERE agent_device_id IN (SELECT agent_device_id FROM agent_held_devices) AND collected_at < :until

-- first_held_agent_metrics_5m --
-- When the first data of a held device begins before :until; null where there is none.
SELECT min(bucket) FROM agent_metrics_5m
WHERE agent_device_id IN (SELECT agent_device_id FROM agent_held_devices) AND bucket < :until

-- first_held_agent_metrics_1h --
-- When the first data of a held device begins before :until; null where there is none.
SELECT min(bucket) FROM agent_metrics_1h
WHERE agent_device_id IN (SELECT agent_device_id FROM agent_held_devices) AND bucket < :until

-- first_held_agent_metrics_1d --
-- When the first data of a held device begins before :until; null where there is none.
SELECT min(bucket) FROM agent_metrics_1d
WHERE agent_device_id IN (SELECT agent_device_id FROM agent_held_devices) AND bucket < :until

-- first_held_agent_series_samples --
-- When the first data of a held device begins before :until; null where there is none.
SELECT min(m.collected_at) FROM agent_series_samples m
JOIN agent_series s ON s.id = m.series_id
WHERE s.agent_device_id IN (SELECT agent_device_id FROM agent_held_devices) AND m.collected_at < :until

-- first_held_agent_series_5m --
-- When the first data of a held device begins before :until; null where there is none.
SELECT min(m.bucket) FROM agent_series_5m m
JOIN agent_series s ON s.id = m.series_id
WHERE s.agent_device_id IN (SELECT agent_device_id FROM agent_held_devices) AND m.bucket < :until

-- first_held_agent_series_1h --
-- When the first data of a held device begins before :until; null where there is none.
SELECT min(m.bucket) FROM agent_series_1h m
JOIN agent_series s ON s.id = m.series_id
WHERE s.agent_device_id IN (SELECT agent_device_id FROM agent_held_devices) AND m.bucket < :until

-- first_held_agent_series_1d --
-- When the first data of a held device begins before :until; null where there is none.
SELECT min(m.bucket) FROM agent_series_1d m
JOIN agent_series s ON s.id = m.series_id
WHERE s.agent_device_id IN (SELECT agent_device_id FROM agent_held_devices) AND m.bucket < :until
