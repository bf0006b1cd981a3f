-- Series in the writer. Arrays run in parallel.

-- read_series --
-- The series of devices that this process doesn't have in memory.
SELECT agent_device_id, metric, instance, id, unit, is_counter
FROM agent_series
WHERE agent_device_id = ANY (:devices::uuid[]) AND gone_at IS NULL

-- read_uptimes --
-- When devices measured last, and their uptimes then, in seconds.
SELECT id, current_collected_at AS at, alert_number(current_metrics -> 'uptime_seconds') AS uptime
FROM agent_devices
WHERE id = ANY (:devices::uuid[]) AND current_collected_at IS NOT NULL

-- read_counters --
-- The newest values of counters of devices.
SELECT v.id, v.value, v.at
FROM agent_series_newest n
CROSS JOIN LATERAL unnest(n.series_ids, n.series_values, n.series_times) AS v (id, value, at)
WHERE n.agent_device_id = ANY (:devices::uuid[]) AND n.is_counter

-- lock_counts --
-- Before series are added: one transaction at a time for each business, in one order.
WITH business AS (
    SELECT DISTINCT business_id FROM agent_devices WHERE id = ANY (:devices::uuid[])
), ensured AS (
    INSERT INTO agent_series_counts (business_id, live)
    SELECT business_id, 0 FROM business ORDER BY business_id
    ON CONFLICT (business_id) DO UPDATE SET live = agent_series_counts.live
    RETURNING business_id
)
SELECT count(*) FROM ensured

-- define_custom --
-- Unit and kind of metrics that a business sends for the first time.
INSERT INTO agent_custom_metrics (business_id, name, unit, is_counter, created_at)
SELECT DISTINCT ON (d.business_id, o.metric) d.business_id, o.metric, o.unit, o.is_counter, :now::timestamptz
FROM unnest(:devices::uuid[], :metrics::text[], :units::text[], :kinds::boolean[]) WITH ORDINALITY
    AS o (device, metric, unit, is_counter, place)
JOIN agent_devices d ON d.id = o.device
WHERE o.metric LIKE 'custom.%'
ORDER BY d.business_id, o.metric, o.place
ON CONFLICT DO NOTHING

-- register_series --
-- Add new series within the limits of device and business, revive series marked as gone, and return the series of all
-- names asked for; a name missing in the answer was refused. The devices are locked by this transaction. :devices,
-- :metrics, :instances, :units, :kinds, :now, :max_of_device most of a device, :max_of_business most of a business.
WITH offered AS MATERIALIZED (
    SELECT o.device, o.metric, o.instance, o.place, d.business_id,
           COALESCE(m.unit, o.unit) AS unit, COALESCE(m.is_counter, o.is_counter) AS is_counter, s.id, s.gone_at
    FROM unnest(:devices::uuid[], :metrics::text[], :instances::text[], :units::text[], :kinds::boolean[])
        WITH ORDINALITY AS o (device, metric, instance, unit, is_counter, place)
    JOIN agent_devices d ON d.id = o.device
    LEFT JOIN agent_custom_metrics m ON m.business_id = d.business_id AND m.name = o.metric
    LEFT JOIN agent_series s ON s.agent_device_id = o.device AND s.metric = o.metric AND s.instance = o.instance
), existing AS (
    SELECT agent_device_id, count(*) AS live
    FROM agent_series
    WHERE agent_device_id = ANY (:devices) AND gone_at IS NULL
    GROUP BY agent_device_id
), ranked AS (
    SELECT o.*, COALESCE(h.live, 0) + row_number() OVER (PARTITION BY o.device ORDER BY o.place) AS in_device
    FROM offered o LEFT JOIN existing h ON h.agent_device_id = o.device
    WHERE o.id IS NULL OR o.gone_at IS NOT NULL
), placed AS (
    SELECT r.*, c.live + row_number() OVER (PARTITION BY r.business_id ORDER BY r.place) AS in_business
    FROM ranked r JOIN agent_series_counts c ON c.business_id = r.business_id
    WHERE r.in_device <= :max_of_device::integer
), fitting AS (
    SELECT * FROM placed WHERE in_business <= :max_of_business::integer
), added AS (
    INSERT INTO agent_series (agent_device_id, metric, instance, unit, is_counter, created_at, last_seen_at)
    SELECT device, metric, instance, unit, is_counter, :now::timestamptz, :now FROM fitting WHERE id IS NULL
    RETURNING agent_device_id, metric, instance, id, unit, is_counter
), returned AS (
    UPDATE agent_series s SET gone_at = NULL, last_seen_at = :now
    FROM fitting f WHERE s.id = f.id
    RETURNING s.agent_device_id, s.metric, s.instance, s.id, s.unit, s.is_counter
), counted AS (
    UPDATE agent_series_counts c SET live = c.live + f.more
    FROM (SELECT business_id, count(*)::integer AS more FROM fitting GROUP BY business_id) f
    WHERE c.business_id = f.business_id
), refused AS (
    INSERT INTO agent_series_refusals (agent_device_id, since)
    SELECT DISTINCT device, :now FROM ranked r
    WHERE NOT EXISTS (SELECT FROM fitting f WHERE f.place = r.place)
    ON CONFLICT DO NOTHING
    RETURNING agent_device_id
), events AS (
    INSERT INTO agent_events (agent_device_id, event_type, occurred_at, received_at, data)
    SELECT agent_device_id, 'series_refused', :now, :now,
           jsonb_build_object('max_per_device', :max_of_device::integer, 'max_per_business',
                              :max_of_business::integer)
    FROM refused
)
SELECT s.agent_device_id, s.metric, s.instance, s.id, s.unit, s.is_counter
FROM offered o JOIN agent_series s ON s.id = o.id
WHERE o.gone_at IS NULL
UNION ALL
SELECT * FROM added
UNION ALL
SELECT * FROM returned

-- create_newest_incoming --
-- Where the newest values of a flush wait: one row for each metric of a device; emptied at the end of each transaction.
-- No series_times: all values are of collected_at, as those of one sample are.
CREATE TEMP TABLE IF NOT EXISTS agent_series_newest_incoming ON COMMIT DELETE ROWS
AS SELECT * FROM agent_series_newest WITH NO DATA

-- write_newest --
-- Keep the newest values of each metric of a device; older samples change nothing. A sample that lacks some series of
-- the metric keeps those.
INSERT INTO agent_series_newest AS n
    (agent_device_id, metric, collected_at, is_counter, highest, series_ids, series_values, series_times)
SELECT agent_device_id, metric, collected_at, is_counter, highest, series_ids, series_values,
       COALESCE(series_times, array_fill(collected_at, ARRAY[cardinality(series_ids)]))
FROM agent_series_newest_incoming
ORDER BY agent_device_id, metric
ON CONFLICT (agent_device_id, metric) DO UPDATE
SET collected_at = EXCLUDED.collected_at,
    highest = CASE WHEN EXCLUDED.series_ids @> n.series_ids THEN EXCLUDED.highest
                   ELSE (agent_series_merged(EXCLUDED, n)).highest END,
    series_ids = CASE WHEN EXCLUDED.series_ids @> n.series_ids THEN EXCLUDED.series_ids
                      ELSE (agent_series_merged(EXCLUDED, n)).series_ids END,
    series_values = CASE WHEN EXCLUDED.series_ids @> n.series_ids THEN EXCLUDED.series_values
                         ELSE (agent_series_merged(EXCLUDED, n)).series_values END,
    series_times = CASE WHEN EXCLUDED.series_ids @> n.series_ids THEN EXCLUDED.series_times
                        ELSE (agent_series_merged(EXCLUDED, n)).series_times END
WHERE n.collected_at <= EXCLUDED.collected_at

-- create_incoming --
-- Where values wait to be merged when a batch holds duplicates; emptied at the end of each transaction.
CREATE TEMP TABLE IF NOT EXISTS agent_series_incoming (LIKE agent_series_samples) ON COMMIT DELETE ROWS

-- merge_incoming --
-- Move new values into the hypertable.
INSERT INTO agent_series_samples (series_id, is_counter, collected_at, value)
SELECT series_id, is_counter, collected_at, value FROM agent_series_incoming
ON CONFLICT DO NOTHING
