-- What one flush does in one transaction, beside the COPY itself. Arrays run in parallel: one entry per device.

-- touch_devices --
-- Lock the devices of a flush in one order (no deadlock between writers), record that they were heard, keep their
-- newest sample as current, and return the (device, token) pairs that are good: the others are revoked. With each the
-- types of its open alerts, by an index that holds only those (some microseconds a device). One row a device and no index
-- is written, unless its status changes. Wakes the live channel once for the flush.
-- $1 device ids, $2 token hashes, $3 times of receipt, $4 times of the newest sample (or null), $5 its metrics,
-- $6 times of the oldest sample, $7 time before which one is late, $8 age at which a late upload is rolled up for sure,
-- $9 boot times by the newest sample (or null), $10 how long a token that was replaced stays good after the new one's
-- first use, $11 tolerance of boot times, $12 whether something was measured: an upload whose samples were all refused
-- is no data, and doesn't bring a silent device back.
WITH uploads AS (
    SELECT *
    FROM unnest($1::uuid[], $2::text[], $3::timestamptz[], $4::timestamptz[], $5::jsonb[], $6::timestamptz[],
                $9::timestamptz[], $12::boolean[])
        AS u (id, token_hash, received_at, collected_at, metrics, oldest, boot_at, measured)
), accepted AS (
    SELECT d.id, d.business_id, u.token_hash, u.token_hash = d.agent_token AS by_new_token, u.received_at,
           u.collected_at, u.metrics, u.oldest, u.boot_at, u.measured,
           d.status, d.reported_status, d.current_collected_at, d.late_since, d.boot_at AS known_boot, d.boot_before,
           d.boot_changed_at, d.boot_returns, d.clone_suspected_at
    FROM agent_devices d JOIN uploads u ON u.id = d.id
     AND (u.token_hash = d.agent_token
          OR (u.token_hash = d.previous_agent_token AND COALESCE(u.received_at < d.previous_token_until, true)))
    WHERE d.is_active AND NOT d.soft_delete
    ORDER BY d.id
    FOR NO KEY UPDATE OF d
), heard AS ( -- a device in the midst of a change of its token may have uploaded with both
    SELECT id, status, reported_status, known_boot, boot_before, boot_changed_at, boot_returns, clone_suspected_at,
           late_since, bool_or(measured) AS measured,
           bool_or(by_new_token) AS by_new_token, max(received_at) AS received_at, max(collected_at) AS collected_at,
           min(oldest) AS oldest, COALESCE(min(oldest) < $7::timestamptz, false) AS is_late,
           (array_agg(metrics ORDER BY collected_at DESC NULLS LAST))[1] AS metrics,
           (array_agg(boot_at ORDER BY collected_at DESC NULLS LAST))[1] AS boot_at,
           COALESCE(max(collected_at) > COALESCE(current_collected_at, '-infinity'), false) AS is_newest
    FROM accepted
    GROUP BY id, status, reported_status, current_collected_at, known_boot, boot_before, boot_changed_at,
             boot_returns, clone_suspected_at, late_since
), booted AS (
    SELECT *, is_late AND COALESCE(late_since < received_at - $8::interval, true) AS new_period,
           CASE WHEN status = 'disabled' OR NOT measured THEN status ELSE reported_status END AS new_status,
           is_newest AND boot_at IS NOT NULL
               AND COALESCE(boot_at NOT BETWEEN known_boot - $11::interval AND known_boot + $11, true) AS other_boot
    FROM heard
), judged AS (
    SELECT *, CASE WHEN NOT other_boot THEN boot_returns
                   WHEN boot_at BETWEEN boot_before - $11::interval AND boot_before + $11
                        AND boot_changed_at > received_at - interval '1 day' THEN boot_returns + 1
                   ELSE 0 END AS returns
    FROM booted
), touched AS (
    UPDATE agent_devices d
    SET last_metrics_received = CASE WHEN j.measured THEN GREATEST(d.last_metrics_received, j.received_at)
                                     ELSE d.last_metrics_received END,
        updated_at = CASE WHEN j.measured THEN d.updated_at ELSE GREATEST(d.updated_at, j.received_at) END,
        status = j.new_status,
        status_changed_at = CASE WHEN j.new_status <> j.status THEN j.received_at ELSE d.status_changed_at END,
        status_due_at = CASE WHEN j.new_status <> j.status OR (d.status_due_at IS NULL AND j.measured)
                             THEN j.received_at ELSE d.status_due_at END,
        current_metrics = CASE WHEN j.is_newest THEN j.metrics ELSE d.current_metrics END,
        current_collected_at = GREATEST(d.current_collected_at, j.collected_at),
        late_from = CASE WHEN NOT j.is_late THEN d.late_from
                         WHEN j.new_period THEN j.oldest
                         ELSE LEAST(d.late_from, j.oldest) END,
        late_at = CASE WHEN j.is_late THEN j.received_at ELSE d.late_at END,
        late_since = CASE WHEN j.new_period THEN j.received_at ELSE d.late_since END,
        late_before = CASE WHEN j.new_period THEN d.late_from ELSE d.late_before END,
        boot_at = CASE WHEN j.other_boot THEN j.boot_at ELSE d.boot_at END,
        boot_before = CASE WHEN j.other_boot THEN d.boot_at ELSE d.boot_before END,
        boot_changed_at = CASE WHEN j.other_boot THEN j.received_at ELSE d.boot_changed_at END,
        boot_returns = j.returns,
        clone_suspected_at = CASE WHEN j.returns >= 2 AND j.other_boot THEN COALESCE(d.clone_suspected_at, j.received_at)
                                  ELSE d.clone_suspected_at END,
        previous_token_until = CASE WHEN j.by_new_token AND d.previous_agent_token IS NOT NULL
                                    THEN COALESCE(d.previous_token_until, j.received_at + $10::interval)
                                    ELSE d.previous_token_until END
    FROM judged j
    WHERE d.id = j.id
), told AS (
    INSERT INTO agent_events (agent_device_id, event_type, occurred_at, received_at, data)
    SELECT id, 'status_changed', received_at, received_at,
           jsonb_build_object('from', status, 'to', new_status, 'why', 'it uploaded')
    FROM judged WHERE new_status <> status
    UNION ALL
    SELECT id, 'clone_suspected', received_at, received_at,
           jsonb_build_object('boot_at', boot_at, 'other_boot_at', known_boot)
    FROM judged WHERE other_boot AND returns >= 2 AND clone_suspected_at IS NULL
)
SELECT a.id, a.token_hash, a.business_id,
       ARRAY(SELECT r.alert_type -- a sort for each device, even of nothing, would take most of the query's time
             FROM agent_alert_history h JOIN agent_alerts r ON r.id = h.agent_alert_id
             WHERE h.agent_device_id = a.id AND h.status IN ('active', 'acknowledged')) AS alerts
FROM accepted a, (SELECT pg_notify('rts_live', 'devices')) woken

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

-- merge_parts --
-- Move parts of rows into the hypertable: what is null in a stored row is filled, what is there stays. Returns the keys of
-- rows that are new. $1 age from which a chunk may be in the columnstore: a row there is not changed.
WITH folded AS ( -- two parts of one row in one flush: an upsert can't touch a row twice
    SELECT i.agent_device_id, i.collected_at, min(i.received_at) AS received_at,
           (array_agg(cpu_percent ORDER BY i.ctid) FILTER (WHERE cpu_percent IS NOT NULL))[1] AS cpu_percent,
           (array_agg(memory_used_gb ORDER BY i.ctid) FILTER (WHERE memory_used_gb IS NOT NULL))[1] AS memory_used_gb,
           (array_agg(memory_percent ORDER BY i.ctid) FILTER (WHERE memory_percent IS NOT NULL))[1] AS memory_percent,
           (array_agg(disk_used_gb ORDER BY i.ctid) FILTER (WHERE disk_used_gb IS NOT NULL))[1] AS disk_used_gb,
           (array_agg(disk_percent ORDER BY i.ctid) FILTER (WHERE disk_percent IS NOT NULL))[1] AS disk_percent,
           (array_agg(load_average_1m ORDER BY i.ctid) FILTER (WHERE load_average_1m IS NOT NULL))[1] AS load_average_1m,
           (array_agg(load_average_5m ORDER BY i.ctid) FILTER (WHERE load_average_5m IS NOT NULL))[1] AS load_average_5m,
           (array_agg(load_average_15m ORDER BY i.ctid) FILTER (WHERE load_average_15m IS NOT NULL))[1] AS load_average_15m,
           (array_agg(uptime_seconds ORDER BY i.ctid) FILTER (WHERE uptime_seconds IS NOT NULL))[1] AS uptime_seconds,
           (array_agg(network_rx_bytes ORDER BY i.ctid) FILTER (WHERE network_rx_bytes IS NOT NULL))[1] AS network_rx_bytes,
           (array_agg(network_tx_bytes ORDER BY i.ctid) FILTER (WHERE network_tx_bytes IS NOT NULL))[1] AS network_tx_bytes
    FROM agent_metrics_incoming i
    GROUP BY i.agent_device_id, i.collected_at
), merged AS (
    INSERT INTO agent_metrics AS m (agent_device_id, collected_at, received_at,
                                    cpu_percent, memory_used_gb, memory_percent, disk_used_gb,
                                    disk_percent, load_average_1m, load_average_5m, load_average_15m,
                                    uptime_seconds, network_rx_bytes, network_tx_bytes)
    SELECT * FROM folded
    ON CONFLICT (agent_device_id, collected_at) DO UPDATE
    SET cpu_percent = COALESCE(m.cpu_percent, EXCLUDED.cpu_percent),
        memory_used_gb = COALESCE(m.memory_used_gb, EXCLUDED.memory_used_gb),
        memory_percent = COALESCE(m.memory_percent, EXCLUDED.memory_percent),
        disk_used_gb = COALESCE(m.disk_used_gb, EXCLUDED.disk_used_gb),
        disk_percent = COALESCE(m.disk_percent, EXCLUDED.disk_percent),
        load_average_1m = COALESCE(m.load_average_1m, EXCLUDED.load_average_1m),
        load_average_5m = COALESCE(m.load_average_5m, EXCLUDED.load_average_5m),
        load_average_15m = COALESCE(m.load_average_15m, EXCLUDED.load_average_15m),
        uptime_seconds = COALESCE(m.uptime_seconds, EXCLUDED.uptime_seconds),
        network_rx_bytes = COALESCE(m.network_rx_bytes, EXCLUDED.network_rx_bytes),
        network_tx_bytes = COALESCE(m.network_tx_bytes, EXCLUDED.network_tx_bytes)
    WHERE m.collected_at > now() - $1::interval
      AND num_nulls(m.cpu_percent, m.memory_used_gb, m.memory_percent, m.disk_used_gb, m.disk_percent, m.load_average_1m,
                    m.load_average_5m, m.load_average_15m, m.uptime_seconds, m.network_rx_bytes, m.network_tx_bytes)
        > num_nulls(COALESCE(m.cpu_percent, EXCLUDED.cpu_percent), COALESCE(m.memory_used_gb, EXCLUDED.memory_used_gb),
                    COALESCE(m.memory_percent, EXCLUDED.memory_percent), COALESCE(m.disk_used_gb, EXCLUDED.disk_used_gb),
                    COALESCE(m.disk_percent, EXCLUDED.disk_percent), COALESCE(m.load_average_1m, EXCLUDED.load_average_1m),
                    COALESCE(m.load_average_5m, EXCLUDED.load_average_5m), COALESCE(m.load_average_15m, EXCLUDED.load_average_15m),
                    COALESCE(m.uptime_seconds, EXCLUDED.uptime_seconds), COALESCE(m.network_rx_bytes, EXCLUDED.network_rx_bytes),
                    COALESCE(m.network_tx_bytes, EXCLUDED.network_tx_bytes))
    RETURNING m.agent_device_id, m.collected_at, m.xmax = 0 AS is_new
)
SELECT agent_device_id, collected_at FROM merged WHERE is_new

-- fill_current --
-- A device's newest sample may arrive in parts: keep what is known of it when another part comes.
UPDATE agent_devices d
SET current_metrics = d.current_metrics || i.metrics || jsonb_strip_nulls(d.current_metrics)
FROM (SELECT agent_device_id, collected_at,
             jsonb_strip_nulls(jsonb_object_agg(key, value) FILTER (WHERE value <> 'null')) AS metrics
      FROM agent_metrics_incoming, jsonb_each(to_jsonb(agent_metrics_incoming) - 'agent_device_id' - 'collected_at'
                                              - 'received_at' - 'raw_metrics') each
      GROUP BY agent_device_id, collected_at) i
WHERE d.id = i.agent_device_id AND d.current_collected_at = i.collected_at

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
    state_changes = s.state_changes + (s.status <> EXCLUDED.status)::int,
    restart_count = s.restart_count
        + (EXCLUDED.status = 'running'
           AND (s.status IN ('stopped', 'error') OR COALESCE(s.pid <> EXCLUDED.pid, false)))::int
WHERE s.last_checked < EXCLUDED.last_checked
