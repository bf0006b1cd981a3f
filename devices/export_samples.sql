-- Raw samples for a file, device by device: each statement reads one device's rows in the order of its index.

-- exported_devices --
-- The devices whose samples are exported, by name. $1 tenant (null: an employee), $2 one device (null: all).
SELECT d.id, d.device_name, COALESCE(d.hostname, '') AS hostname
FROM agent_devices d
WHERE ($1::uuid IS NULL OR d.business_id = $1) AND ($2::uuid IS NULL OR d.id = $2) AND NOT d.soft_delete
ORDER BY d.device_name, d.id

-- exported_samples --
-- A device's samples in [$3, $4), by time; a tenant's since the device is theirs. Counters as they stood: a break is stored
-- below zero. $1 tenant (null: an employee), $2 device.
SELECT m.collected_at, m.cpu_percent, m.memory_used_gb, m.memory_percent, m.disk_used_gb, m.disk_percent,
       m.load_average_1m, m.load_average_5m, m.load_average_15m, m.uptime_seconds,
       counter_value(m.network_rx_bytes)::bigint AS network_rx_bytes, counter_value(m.network_tx_bytes)::bigint AS network_tx_bytes
FROM agent_metrics m
JOIN agent_devices d ON d.id = m.agent_device_id
WHERE m.agent_device_id = $2 AND m.collected_at >= $3::timestamptz AND m.collected_at < $4::timestamptz
  AND ($1::uuid IS NULL OR d.business_id = $1)
  AND ($1 IS NULL OR COALESCE(d.owned_since <= m.collected_at, true))
ORDER BY m.collected_at
