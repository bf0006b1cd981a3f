-- Raw samples for a file, page by page: each statement reads one device's rows in the order of its index.

-- exported_devices --
-- The devices whose samples are exported, by name. :tenant (null: an employee), :device_id one device,
-- :business_id one business (null: all).
SELECT d.id, d.device_name, COALESCE(d.hostname, '') AS hostname
FROM agent_devices d
WHERE (:tenant::uuid IS NULL OR d.business_id = :tenant)
  AND (:device_id::uuid IS NULL OR d.id = :device_id)
  AND (:business_id::uuid IS NULL OR d.business_id = :business_id) AND NOT d.soft_delete
ORDER BY d.device_name, d.id

-- exported_samples --
-- A page of a device's samples in [:start, :end), or after :start where :is_after, by time; a tenant's since the device
-- is theirs. Counters as they stood: a break is stored below zero. :tenant (null: an employee), :device_id, :page rows.
SELECT m.collected_at, {gauges, m.NAME}, {counters, counter_value(m.NAME)::bigint AS NAME}
FROM agent_metrics m
JOIN agent_devices d ON d.id = m.agent_device_id
WHERE m.agent_device_id = :device_id AND m.collected_at >= :start::timestamptz AND m.collected_at < :end::timestamptz
  AND (NOT :is_after::boolean OR m.collected_at > :start)
  AND (:tenant::uuid IS NULL OR d.business_id = :tenant)
  AND (:tenant IS NULL OR COALESCE(d.owned_since <= m.collected_at, true))
ORDER BY m.collected_at
LIMIT :page
