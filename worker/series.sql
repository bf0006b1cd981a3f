-- The life of series: seen, gone, forgotten. Each statement is one pass over the registry, or over the devices :only.

-- devices_with_series --
SELECT DISTINCT agent_device_id AS id FROM agent_series WHERE agent_device_id <> ALL (:postponed::uuid[])

-- note_seen --
-- When series were sent last, by the newest values; to within six hours, so that few rows are written. Those that
-- were gone are back.
UPDATE agent_series s
SET last_seen_at = v.at, gone_at = NULL
FROM agent_series_newest n
CROSS JOIN LATERAL unnest(n.series_ids, n.series_times) AS v (id, at)
WHERE s.id = v.id AND (:only::uuid[] IS NULL OR n.agent_device_id = ANY (:only)) AND (s.last_seen_at < v.at - interval '6 hours' OR (s.gone_at IS NOT NULL AND v.at > s.gone_at))
  AND v.at <= :now::timestamptz + interval '1 hour'

-- mark_gone --
-- Series that were not sent for a week. Series of a device that sends nothing at all are not changed.
UPDATE agent_series s
SET gone_at = :now::timestamptz
FROM agent_devices d
WHERE d.id = s.agent_device_id AND s.gone_at IS NULL AND s.last_seen_at < :now::timestamptz - interval '7 days'
  AND d.current_collected_at > :now - interval '1 day' AND (:only::uuid[] IS NULL OR d.id = ANY (:only))
  AND NOT EXISTS (SELECT FROM agent_series_samples m
                  WHERE m.series_id = s.id AND m.collected_at > :now - interval '7 days')

-- forget_gone --
-- Delete gone series that no level has data of. :now, :keep retention of the coarsest level.
DELETE FROM agent_series s
WHERE s.gone_at < :now::timestamptz - :keep::interval
  AND (:only::uuid[] IS NULL OR s.agent_device_id = ANY (:only))
  AND NOT EXISTS (SELECT FROM agent_series_1d m WHERE m.series_id = s.id)

-- count_live --
-- Count the series of each business again: deleted devices and gone series leave room.
INSERT INTO agent_series_counts AS c (business_id, live)
SELECT d.business_id, count(*) FILTER (WHERE s.gone_at IS NULL)::integer
FROM agent_devices d JOIN agent_series s ON s.agent_device_id = d.id
GROUP BY d.business_id
ORDER BY d.business_id
ON CONFLICT (business_id) DO UPDATE SET live = EXCLUDED.live
WHERE c.live <> EXCLUDED.live

-- allow_again --
-- Devices of which series were refused a day ago: if they still are, one more event records it.
DELETE FROM agent_series_refusals WHERE since < :now::timestamptz - interval '1 day'
