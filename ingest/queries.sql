-- What one flush does in one transaction, beside the COPY itself. Arrays run in parallel: one entry per device.

-- touch_devices --
-- Lock the devices of a flush in one order (no deadlock between writers), record that they were heard, keep their
-- newest sample as current, and return those whose token is the one stored: the others are revoked.
-- $1 device ids, $2 token hashes, $3 times of receipt, $4 times of the newest sample (or null), $5 its metrics,
-- $6 times of the oldest sample, $7 time before which one is late, $8 age at which a late upload is rolled up for sure.
WITH uploads AS (
    SELECT *, COALESCE(oldest < $7::timestamptz, false) AS is_late
    FROM unnest($1::uuid[], $2::text[], $3::timestamptz[], $4::timestamptz[], $5::jsonb[], $6::timestamptz[])
        AS u (id, token_hash, received_at, collected_at, metrics, oldest)
), locked AS (
    SELECT u.*, u.is_late AND COALESCE(d.late_since < u.received_at - $8::interval, true) AS new_period
    FROM agent_devices d JOIN uploads u ON u.id = d.id AND u.token_hash = d.agent_token
    WHERE d.is_active AND NOT d.soft_delete
    ORDER BY d.id
    FOR NO KEY UPDATE OF d
)
UPDATE agent_devices d
SET last_metrics_received = GREATEST(d.last_metrics_received, u.received_at),
    status = CASE WHEN d.status IN ('offline', 'warning') THEN 'online' ELSE d.status END,
    current_metrics = CASE WHEN u.collected_at > COALESCE(d.current_collected_at, '-infinity') THEN u.metrics
                           ELSE d.current_metrics END,
    current_collected_at = GREATEST(d.current_collected_at, u.collected_at),
    late_from = CASE WHEN NOT u.is_late THEN d.late_from
                     WHEN u.new_period THEN u.oldest
                     ELSE LEAST(d.late_from, u.oldest) END,
    late_at = CASE WHEN u.is_late THEN u.received_at ELSE d.late_at END,
    late_since = CASE WHEN u.new_period THEN u.received_at ELSE d.late_since END,
    late_before = CASE WHEN u.new_period THEN d.late_from ELSE d.late_before END
FROM locked u
WHERE d.id = u.id
RETURNING d.id, d.agent_token

-- create_incoming --
-- Where a batch with duplicates waits to be merged; emptied at the end of each transaction.
CREATE TEMP TABLE IF NOT EXISTS agent_metrics_incoming (LIKE agent_metrics) ON COMMIT DELETE ROWS

-- merge_incoming --
-- Move what is new into the hypertable and return its keys; what is there already stays as it is.
INSERT INTO agent_metrics (agent_device_id, collected_at, received_at, cpu_percent, memory_used_gb, memory_percent,
                           disk_used_gb, disk_percent, load_average_1m, load_average_5m, load_average_15m,
                           uptime_seconds, network_rx_bytes, network_tx_bytes, raw_metrics)
SELECT agent_device_id, collected_at, received_at, cpu_percent, memory_used_gb, memory_percent,
       disk_used_gb, disk_percent, load_average_1m, load_average_5m, load_average_15m,
       uptime_seconds, network_rx_bytes, network_tx_bytes, raw_metrics
FROM agent_metrics_incoming
ON CONFLICT DO NOTHING
RETURNING agent_device_id, collected_at

-- upsert_services --
-- Keep the newest state of each service; a state older than the one stored changes nothing.
-- $1 device ids, $2 names, $3 statuses, $4 process ids (or null), $5 times of the samples.
INSERT INTO agent_monitored_services AS s
    (agent_device_id, service_name, status, pid, last_checked, last_state_change)
SELECT device, name, status, pid, checked, checked
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[], $5::timestamptz[]) AS u (device, name, status, pid, checked)
ORDER BY device, name
ON CONFLICT (agent_device_id, service_name) DO UPDATE
SET status = EXCLUDED.status,
    pid = EXCLUDED.pid,
    last_checked = EXCLUDED.last_checked,
    last_state_change = CASE WHEN s.status = EXCLUDED.status THEN s.last_state_change ELSE EXCLUDED.last_checked END,
    restart_count = s.restart_count
        + (EXCLUDED.status = 'running'
           AND (s.status IN ('stopped', 'error') OR COALESCE(s.pid <> EXCLUDED.pid, false)))::int
WHERE s.last_checked < EXCLUDED.last_checked
