-- The statements of one flush in one transaction, besides COPY. Arrays are parallel: one entry per device.

-- touch_usual_devices --
-- Record the uploads of devices whose state does not change: the cheap statement for nearly all devices of a flush.
-- Returns the devices that it has updated, with the types of their open alerts; touch_devices takes the others. It
-- never has to insert an event, begin a period of late data, judge a clock or move a status, because its conditions
-- leave out every device for which touch_devices would. :device_ids, :token_hashes, :received_at times of receipt,
-- :newest_at times of the newest sample, :newest_metrics, :boot_by_sample boot times by it (or null), :boot_by_receipt
-- boot times by the time of receipt (or null), :oldest_at times of the oldest sample, :rx_bytes and :tx_bytes its
-- network counters (or null), :tolerance of boot times. One entry a device, without devices whose upload is late, has
-- no values or is off our clock by more than the tolerance.
UPDATE agent_devices d
SET last_metrics_received = GREATEST(d.last_metrics_received, u.received_at),
    current_metrics = u.metrics,
    current_collected_at = u.collected_at,
    boot_by_receipt = u.receipt_boot
FROM unnest(:device_ids::uuid[], :token_hashes::text[], :received_at::timestamptz[], :newest_at::timestamptz[],
            :newest_metrics::jsonb[], :boot_by_sample::timestamptz[],
            :boot_by_receipt::timestamptz[], :oldest_at::timestamptz[], :rx_bytes::float8[], :tx_bytes::float8[])
         AS u (id, token_hash, received_at, collected_at, metrics, boot_at, receipt_boot, oldest, first_rx, first_tx)
WHERE d.id = u.id
  AND CASE WHEN u.id IS NULL THEN false -- makes all of it a condition of the join: devices are found by their ids alone
           ELSE d.is_active AND NOT d.soft_delete
                AND d.agent_token = u.token_hash
                AND (d.previous_agent_token IS NULL OR d.previous_token_until IS NOT NULL)
                AND d.status = d.reported_status AND d.status_due_at IS NOT NULL
                AND d.current_collected_at < u.collected_at
                AND (u.boot_at IS NULL OR u.boot_at BETWEEN d.boot_at - :tolerance::interval AND d.boot_at + :tolerance)
                AND d.sample_lag IS NULL AND d.sample_lag_since IS NULL
                AND d.clock_shift = '0' AND d.clock_off_since IS NULL
                AND (u.oldest <= d.current_collected_at
                     OR (COALESCE((d.current_metrics ->> 'network_rx_bytes')::float8, 'infinity') > u.first_rx
                         OR COALESCE((d.current_metrics ->> 'network_tx_bytes')::float8, 'infinity') > u.first_tx)
                        IS NOT TRUE)
      END
RETURNING d.id, d.business_id,
          ARRAY(SELECT r.alert_type
                FROM agent_alert_history h JOIN agent_alerts r ON r.id = h.agent_alert_id
                WHERE h.agent_device_id = d.id AND h.status IN ('active', 'acknowledged')) AS alerts

-- touch_devices --
-- Lock the devices of a flush in one order (no deadlock between writers), record the contact, keep their
-- newest sample as current, and return the (device, token) pairs that are good, the device's own token or that of a
-- gateway of its business whose host it is: the others are revoked. With each the types of its open alerts, by an
-- index that holds only those (some microseconds a device), and whether its counters are lower in the oldest sample
-- than in the one before although it wasn't restarted. One row a device and no index is written, unless its status
-- changes. :device_ids, :token_hashes, :received_at times of receipt, :newest_at times of the newest sample (or null),
-- :newest_metrics, :oldest_at times of the oldest sample, :late_before time before which one is late, :rolled_up_after
-- age at which a late upload is rolled up for sure, :boot_by_sample boot times by the newest sample (or null),
-- :token_overlap how long a token that was replaced stays good after the new one's first use, :tolerance of boot times
-- and clocks, :was_measured whether something was measured: an upload whose samples were all refused is no data, and
-- doesn't bring a silent device back; :oldest_metrics metrics of the oldest sample (null: it is the newest),
-- :refused_lead how far samples lay ahead of our clock that were refused for it (or null).
WITH uploads AS (
    SELECT *
    FROM unnest(:device_ids::uuid[], :token_hashes::text[], :received_at::timestamptz[], :newest_at::timestamptz[],
                :newest_metrics::jsonb[], :oldest_at::timestamptz[],
                :boot_by_sample::timestamptz[], :was_measured::boolean[], :oldest_metrics::jsonb[],
                    :refused_lead::interval[])
        AS u (id, token_hash, received_at, collected_at, metrics, oldest, boot_at, measured, first_metrics, ahead)
), accepted AS (
    SELECT d.id, d.business_id, u.token_hash, u.token_hash = d.agent_token AS by_new_token, u.received_at,
           u.collected_at, u.metrics, u.oldest, u.boot_at, u.measured,
               COALESCE(u.first_metrics, u.metrics) AS first_metrics,
           u.ahead,
           d.status, d.reported_status, d.current_collected_at, d.late_since, d.boot_at AS known_boot, d.boot_before,
           d.boot_changed_at, d.boot_returns, d.clone_suspected_at, d.boot_by_receipt, d.boot_fallen,
           d.current_metrics AS known_metrics, d.clock_offset_seconds, d.sample_lag, d.sample_lag_since, d.clock_shift,
           d.clock_off_since, d.clock_told_at, d.metrics_interval_seconds, d.owned_since
    FROM agent_devices d JOIN uploads u ON u.id = d.id
     AND (u.token_hash = d.agent_token
          OR (u.token_hash = d.previous_agent_token AND COALESCE(u.received_at < d.previous_token_until, true))
          OR EXISTS (SELECT FROM agent_gateway_hosts h JOIN agent_gateways g ON g.business_id = h.business_id
                     WHERE h.agent_device_id = d.id AND h.business_id = d.business_id
                       AND g.token_hash = u.token_hash AND g.revoked_at IS NULL))
    WHERE d.is_active AND NOT d.soft_delete
    ORDER BY d.id
    FOR NO KEY UPDATE OF d
), uploading AS ( -- a device in the midst of a change of its token may have uploaded with both
    SELECT id, status, reported_status, known_boot, boot_before, boot_changed_at, boot_returns, clone_suspected_at,
           late_since, boot_by_receipt, boot_fallen, (known_metrics ->> 'uptime_seconds')::float8 AS known_uptime,
           clock_offset_seconds, sample_lag, sample_lag_since, clock_shift, clock_off_since, clock_told_at,
           metrics_interval_seconds, COALESCE(current_collected_at, owned_since) AS known_at,
           bool_or(measured) AS measured, max(ahead) AS ahead,
           bool_or(by_new_token) AS by_new_token, max(received_at) AS received_at, max(collected_at) AS collected_at,
           min(oldest) AS oldest, COALESCE(min(oldest) < :late_before::timestamptz, false) AS is_late,
           (array_agg(metrics ORDER BY collected_at DESC NULLS LAST))[1] AS metrics,
           (array_agg(boot_at ORDER BY collected_at DESC NULLS LAST))[1] AS boot_at,
           COALESCE(max(collected_at) > COALESCE(current_collected_at, owned_since + clock_shift, '-infinity'),
                    false) AS is_newest -- what was measured under a former owner is not shown
    FROM accepted
    GROUP BY id, status, reported_status, current_collected_at, known_boot, boot_before, boot_changed_at,
             boot_returns, clone_suspected_at, late_since, boot_by_receipt, boot_fallen, known_metrics,
             clock_offset_seconds, sample_lag, sample_lag_since, clock_shift, clock_off_since, clock_told_at,
             metrics_interval_seconds, owned_since
), booted AS (
    SELECT *, is_late AND COALESCE(late_since < received_at - :rolled_up_after::interval, true) AS new_period,
           CASE WHEN status = 'disabled' OR NOT measured THEN status ELSE reported_status END AS new_status,
           CASE WHEN is_newest OR (collected_at IS NOT NULL AND (known_at > received_at + :tolerance::interval OR COALESCE(
                         abs(clock_offset_seconds) > extract(epoch FROM :tolerance), true))) THEN collected_at - received_at
                ELSE ahead END AS lag,
           CASE WHEN boot_at IS NOT NULL THEN received_at - (collected_at - boot_at) END AS receipt_boot,
           is_newest AND boot_at IS NOT NULL
               AND COALESCE(boot_at NOT BETWEEN known_boot - :tolerance AND known_boot + :tolerance,
                            true) AS clock_says_other
    FROM uploading
), timed AS (
    SELECT *, clock_says_other
              AND COALESCE(receipt_boot NOT BETWEEN boot_by_receipt - :tolerance AND boot_by_receipt + :tolerance,
                           true) AS other_boot,
           lag NOT BETWEEN -:tolerance AND :tolerance AS is_off,
           lag NOT BETWEEN -:tolerance AND :tolerance AND COALESCE(lag BETWEEN sample_lag - :tolerance
             AND sample_lag + :tolerance, false) AS steady
    FROM booted
), weighed AS (
    SELECT *, CASE WHEN NOT other_boot THEN boot_returns
                   WHEN boot_at BETWEEN boot_before - :tolerance AND boot_before + :tolerance
                        AND boot_changed_at > received_at - interval '1 day' THEN boot_returns + 1
                   ELSE 0 END AS returns,
           (metrics ->> 'uptime_seconds')::float8 < known_uptime AS uptime_fell,
           is_off AND (lag > :tolerance OR (steady AND sample_lag_since <= received_at - 5 * :tolerance)
                       OR COALESCE(lag BETWEEN clock_offset_seconds * interval '1 second' - :tolerance
                                               - metrics_interval_seconds * interval '1 second'
                                       AND clock_offset_seconds * interval '1 second' + :tolerance,
                                           false)) AS clock_is_off
    FROM timed
), judged AS ( -- a clock that was set back: what is stored as the newest sample lies in its future
    SELECT *, is_newest OR COALESCE((clock_is_off OR NOT is_off)
                                    AND known_at > collected_at + :tolerance + metrics_interval_seconds * interval '1 second',
                                    false) AS is_current,
           CASE WHEN NOT other_boot THEN boot_fallen WHEN returns = 0 THEN 0
                   ELSE boot_fallen + COALESCE(uptime_fell, false)::int END AS fallen
    FROM weighed
), touched AS (
    UPDATE agent_devices d
    SET last_metrics_received = CASE WHEN j.measured THEN GREATEST(d.last_metrics_received, j.received_at)
                                     ELSE d.last_metrics_received END,
        updated_at = CASE WHEN j.measured THEN d.updated_at ELSE GREATEST(d.updated_at, j.received_at) END,
        status = j.new_status,
        status_changed_at = CASE WHEN j.new_status <> j.status THEN j.received_at ELSE d.status_changed_at END,
        status_due_at = CASE WHEN j.new_status <> j.status OR (d.status_due_at IS NULL AND j.measured)
                             THEN j.received_at ELSE d.status_due_at END,
        current_metrics = CASE WHEN j.is_current THEN j.metrics ELSE d.current_metrics END,
        current_collected_at = CASE WHEN j.is_current THEN j.collected_at ELSE d.current_collected_at END,
        late_from = CASE WHEN NOT j.is_late THEN d.late_from
                         WHEN j.new_period THEN j.oldest
                         ELSE LEAST(d.late_from, j.oldest) END,
        late_at = CASE WHEN j.is_late THEN j.received_at ELSE d.late_at END,
        late_since = CASE WHEN j.new_period THEN j.received_at ELSE d.late_since END,
        late_before = CASE WHEN j.new_period THEN d.late_from ELSE d.late_before END,
        boot_at = CASE WHEN j.other_boot THEN j.boot_at ELSE d.boot_at END,
        boot_by_receipt = CASE WHEN j.is_newest THEN j.receipt_boot ELSE d.boot_by_receipt END,
        boot_before = CASE WHEN j.other_boot THEN d.boot_at ELSE d.boot_before END,
        boot_changed_at = CASE WHEN j.other_boot THEN j.received_at ELSE d.boot_changed_at END,
        boot_returns = j.returns,
        boot_fallen = j.fallen,
        clone_suspected_at = CASE WHEN j.returns >= 2 AND j.fallen >= 1 AND j.other_boot
                                  THEN COALESCE(d.clone_suspected_at, j.received_at) ELSE d.clone_suspected_at END,
        sample_lag = CASE WHEN j.lag IS NULL THEN d.sample_lag WHEN j.is_off THEN j.lag END,
        sample_lag_since = CASE WHEN j.lag IS NULL THEN d.sample_lag_since
                                WHEN j.steady THEN COALESCE(d.sample_lag_since, j.received_at)
                                WHEN j.is_off THEN j.received_at END,
        clock_shift = CASE WHEN NOT j.is_current THEN d.clock_shift WHEN j.clock_is_off
            THEN LEAST(j.lag, '0') ELSE '0' END,
        clock_off_since = CASE WHEN j.clock_is_off THEN COALESCE(d.clock_off_since, j.received_at)
                               WHEN j.is_current AND NOT j.is_off
                                    AND COALESCE(abs(j.clock_offset_seconds) * interval '1 second' <= :tolerance, true)
                               THEN NULL ELSE d.clock_off_since END,
        clock_told_at = CASE WHEN j.clock_is_off AND j.clock_off_since IS NULL
                                  AND COALESCE(j.clock_told_at < j.received_at - interval '1 hour', true)
                             THEN j.received_at ELSE d.clock_told_at END,
        previous_token_until = CASE WHEN j.by_new_token AND d.previous_agent_token IS NOT NULL
                                    THEN COALESCE(d.previous_token_until, j.received_at + :token_overlap::interval)
                                    ELSE d.previous_token_until END
    FROM judged j
    WHERE d.id = j.id
), events AS (
    INSERT INTO agent_events (agent_device_id, event_type, occurred_at, received_at, data)
    SELECT id, 'status_changed', received_at, received_at,
           jsonb_build_object('from', status, 'to', new_status, 'why', 'it uploaded')
    FROM judged WHERE new_status <> status
    UNION ALL
    SELECT id, 'clone_suspected', received_at, received_at,
           jsonb_build_object('boot_at', boot_at, 'other_boot_at', known_boot)
    FROM judged WHERE other_boot AND returns >= 2 AND fallen >= 1 AND clone_suspected_at IS NULL
    UNION ALL
    SELECT id, 'clock_wrong', received_at, received_at,
           jsonb_build_object('offset_seconds', round(extract(epoch FROM lag)), 'by', 'the times of its samples')
    FROM judged
    WHERE clock_is_off AND clock_off_since IS NULL
      AND COALESCE(clock_told_at < received_at - interval '1 hour', true)
    UNION ALL
    SELECT id, 'clock_right', received_at, received_at, '{}'::jsonb
    FROM judged
    WHERE clock_off_since IS NOT NULL AND is_current AND NOT is_off
      AND COALESCE(abs(clock_offset_seconds) * interval '1 second' <= :tolerance, true)
)
SELECT a.id, a.token_hash, a.business_id,
       ARRAY(SELECT r.alert_type -- a sort for each device, even of nothing, would take most of the query's time
             FROM agent_alert_history h JOIN agent_alerts r ON r.id = h.agent_alert_id
             WHERE h.agent_device_id = a.id AND h.status IN ('active', 'acknowledged')) AS alerts,
       CASE WHEN a.oldest > a.current_collected_at
                 AND ((c.counted ->> 'network_rx_bytes')::float8 > (a.first_metrics ->> 'network_rx_bytes')::float8
                      OR (c.counted ->> 'network_tx_bytes')::float8
                         > (a.first_metrics ->> 'network_tx_bytes')::float8)
            THEN c.counted END AS fallen_from, c.at AS fallen_since
FROM accepted a
LEFT JOIN LATERAL ( -- the sample before may lack the counters
    SELECT m.collected_at AS at,
           jsonb_build_object('uptime_seconds', m.uptime_seconds,
                              'network_rx_bytes', counter_value(m.network_rx_bytes),
                              'network_tx_bytes', counter_value(m.network_tx_bytes)) AS counted
    FROM agent_metrics m
    WHERE num_nulls(a.known_metrics ->> 'network_rx_bytes', a.known_metrics ->> 'network_tx_bytes') = 2
      AND num_nonnulls(a.first_metrics ->> 'network_rx_bytes', a.first_metrics ->> 'network_tx_bytes') > 0
      AND m.agent_device_id = a.id AND m.collected_at < a.current_collected_at
      AND m.collected_at > a.current_collected_at - interval '1 day'
      AND num_nonnulls(m.network_rx_bytes, m.network_tx_bytes) > 0
    ORDER BY m.collected_at DESC
    LIMIT 1
) earlier ON true
CROSS JOIN LATERAL (SELECT COALESCE(earlier.counted, a.known_metrics) AS counted,
                           COALESCE(earlier.at, a.current_collected_at) AS at) c

-- create_incoming --
-- Holds a batch with duplicates until it is merged; emptied at the end of each transaction.
CREATE TEMP TABLE IF NOT EXISTS agent_metrics_incoming (LIKE agent_metrics) ON COMMIT DELETE ROWS

-- merge_incoming --
-- Move new rows into the hypertable and return their keys; stored rows do not change.
INSERT INTO agent_metrics (agent_device_id, collected_at, received_at, {metrics, NAME}, raw_metrics)
SELECT agent_device_id, collected_at, received_at, {metrics, NAME}, raw_metrics
FROM agent_metrics_incoming
ON CONFLICT DO NOTHING
RETURNING agent_device_id, collected_at

-- merge_parts --
-- Move parts of rows into the hypertable: nulls of a stored row are filled, its values stay. Returns the
-- keys of rows that are new. :columnstore_after age from which a chunk may be in the columnstore: a row there is not
-- changed.
WITH folded AS ( -- two parts of one row in one flush: an upsert can't touch a row twice
    SELECT i.agent_device_id, i.collected_at, min(i.received_at) AS received_at,
           {metrics, (array_agg(NAME ORDER BY i.ctid) FILTER (WHERE NAME IS NOT NULL))[1] AS NAME}
    FROM agent_metrics_incoming i
    GROUP BY i.agent_device_id, i.collected_at
), merged AS (
    INSERT INTO agent_metrics AS m (agent_device_id, collected_at, received_at, {metrics, NAME})
    SELECT * FROM folded
    ON CONFLICT (agent_device_id, collected_at) DO UPDATE
    SET {metrics, NAME = COALESCE(m.NAME, EXCLUDED.NAME)}
    WHERE m.collected_at > now() - :columnstore_after::interval
      AND num_nulls({metrics, m.NAME}) > num_nulls({metrics, COALESCE(m.NAME, EXCLUDED.NAME)})
    RETURNING m.agent_device_id, m.collected_at, m.xmax = 0 AS is_new
)
SELECT agent_device_id, collected_at FROM merged WHERE is_new

-- fill_current --
-- A device's newest sample may arrive in parts: keep its values when another part comes.
UPDATE agent_devices d
SET current_metrics = d.current_metrics || i.metrics || jsonb_strip_nulls(d.current_metrics)
FROM (SELECT agent_device_id, collected_at,
             jsonb_strip_nulls(jsonb_object_agg(key, CASE WHEN value < '0' -- a counter that fell, as it is stored
                                                          THEN to_jsonb(counter_value(value::float8)::bigint)
                                                          ELSE value END) FILTER (WHERE value <> 'null')) AS metrics
      FROM agent_metrics_incoming, jsonb_each(to_jsonb(agent_metrics_incoming) - 'agent_device_id' - 'collected_at'
                                              - 'received_at' - 'raw_metrics') each
      GROUP BY agent_device_id, collected_at) i
WHERE d.id = i.agent_device_id AND d.current_collected_at = i.collected_at

-- keep_services --
-- Keep the newest state of each service, and which are missing from the newest complete list of their device; a state
-- older than the one stored changes nothing. Names of Windows are case-insensitive: the first spelling stays. Names
-- beyond :max_services of a device aren't kept; returns how many there were, by device. :device_ids, :names,
-- :statuses, :pids process ids (or null), :sampled_at times of the samples, :since when they are in these states, by
-- the same upload; :listed_devices devices with complete lists, :listed_at times of the newest and :oldest_listed_at
-- of the oldest of them; :now, :tolerance of clocks.
WITH behind AS MATERIALIZED ( -- clocks that were set back: a stored state that lies in their future is the older one
    SELECT d.id, :now::timestamptz + d.clock_shift + :tolerance::interval AS latest
    FROM agent_devices d
    WHERE d.id = ANY (:device_ids::uuid[] || :listed_devices::uuid[]) AND d.clock_shift <> '0'
), listed AS MATERIALIZED (
    SELECT DISTINCT ON (u.device, s.key) u.device, COALESCE(s.known_name, u.name) AS name, u.status, u.pid, u.checked,
           u.since, s.known_name IS NULL AS is_new
    FROM unnest(:device_ids, :names::text[], :statuses::text[], :pids::bigint[], :sampled_at::timestamptz[],
                :since::timestamptz[])
        WITH ORDINALITY AS u (device, name, status, pid, checked, since, place)
    JOIN agent_devices d ON d.id = u.device
    CROSS JOIN LATERAL (SELECT CASE WHEN d.os_type = 'windows' THEN lower(u.name) ELSE u.name END AS folded) f
    CROSS JOIN LATERAL (
        SELECT f.folded AS key,
               (SELECT k.service_name FROM agent_monitored_services k
                WHERE k.agent_device_id = u.device AND k.service_name = u.name
                UNION ALL
                SELECT k.service_name FROM agent_monitored_services k
                WHERE d.os_type = 'windows' AND k.agent_device_id = u.device AND lower(k.service_name) = f.folded
                LIMIT 1) AS known_name) s
    ORDER BY u.device, s.key, u.place DESC
), counted AS (
    SELECT l.*, CASE WHEN l.is_new
                     THEN row_number() OVER (PARTITION BY l.device, l.is_new ORDER BY l.name)
                          + (SELECT count(*) FROM agent_monitored_services k WHERE k.agent_device_id = l.device)
                     ELSE 0 END AS place
    FROM listed l
), stored AS (
    INSERT INTO agent_monitored_services AS s
        (agent_device_id, service_name, status, pid, last_checked, last_state_change)
    SELECT device, name, status, pid, checked, since
    FROM counted
    WHERE place <= :max_services::integer
    ORDER BY device, name
    ON CONFLICT (agent_device_id, service_name) DO UPDATE
    SET status = EXCLUDED.status,
        pid = EXCLUDED.pid,
        last_checked = EXCLUDED.last_checked,
        missing_since = NULL,
        last_state_change = CASE WHEN s.status = EXCLUDED.status THEN s.last_state_change
                                 ELSE EXCLUDED.last_state_change END,
        state_changes = s.state_changes + (s.status <> EXCLUDED.status)::int,
        restart_count = s.restart_count
            + (EXCLUDED.status = 'running'
               AND (s.status IN ('stopped', 'error') OR COALESCE(s.pid <> EXCLUDED.pid, false)))::int
    WHERE s.last_checked < EXCLUDED.last_checked
       OR EXISTS (SELECT FROM behind b
                  WHERE b.id = s.agent_device_id AND s.last_checked > b.latest)
), missing AS (
    UPDATE agent_monitored_services s
    SET missing_since = GREATEST(c.oldest, LEAST(c.newest, s.last_checked)), status = 'stopped', pid = NULL,
        last_state_change = CASE WHEN s.status = 'stopped' THEN s.last_state_change
                                 ELSE GREATEST(c.oldest, LEAST(c.newest, s.last_checked)) END,
        state_changes = s.state_changes + (s.status <> 'stopped')::int
    FROM unnest(:listed_devices, :listed_at::timestamptz[],
                :oldest_listed_at::timestamptz[])
                    AS c (device, newest, oldest)
    WHERE s.agent_device_id = c.device AND s.missing_since IS NULL
      AND (s.last_checked < c.newest
           OR EXISTS (SELECT FROM behind b WHERE b.id = c.device AND s.last_checked > b.latest))
      AND NOT EXISTS (SELECT FROM listed l WHERE l.device = s.agent_device_id AND l.name = s.service_name)
)
SELECT device, count(*)::integer AS left_out
FROM counted
WHERE place > :max_services
GROUP BY device
