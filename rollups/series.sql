-- Charts of series: closed buckets of a level in [:start, :cut), raw samples in [:cut, :end), merged into buckets of
-- :width, or into days that begin at the times in :days. Only the :level (`5m`, `1h`, `1d` or `raw`) that is named is
-- read; the others are left out before they begin. :tenant is null for an employee. Times in answers are microseconds
-- since 1970.

-- find_series --
-- The series of a device that the caller may see: what a former owner measured is not shown to the next one.
-- :device_id, :tenant, :metrics, :instances (null: all).
SELECT s.id, s.metric, s.instance, s.unit, s.is_counter
FROM agent_series s JOIN agent_devices d ON d.id = s.agent_device_id
WHERE s.agent_device_id = :device_id AND NOT d.soft_delete AND (:tenant::uuid IS NULL OR d.business_id = :tenant)
  AND s.metric = ANY (:metrics::text[]) AND (:instances::text[] IS NULL OR s.instance = ANY (:instances))
  AND (:tenant IS NULL OR COALESCE(d.owned_since <= GREATEST(s.last_seen_at, (
           SELECT n.series_times[array_position(n.series_ids, s.id)]
           FROM agent_series_newest n WHERE n.agent_device_id = d.id AND n.metric = s.metric)), true))
ORDER BY array_position(:metrics, s.metric), s.instance

-- chart_gauges --
-- Averages, minima and maxima, in order of series and time. :series, :tenant; the others as above.
WITH piece AS (
    SELECT series_id, bucket AS time, sample_count, value_sum, value_min, value_max
    FROM agent_series_5m
    WHERE :level::text = '5m' AND bucket >= :start::timestamptz AND bucket < :cut::timestamptz
      AND series_id = ANY (ARRAY(SELECT s.id FROM agent_series s JOIN agent_devices d ON d.id = s.agent_device_id
                                 WHERE s.id = ANY (:series::integer[])
                                   AND (:tenant::uuid IS NULL OR d.business_id = :tenant)))
    UNION ALL
    SELECT series_id, bucket, sample_count, value_sum, value_min, value_max
    FROM agent_series_1h
    WHERE :level = '1h' AND bucket >= :start AND bucket < :cut
      AND series_id = ANY (ARRAY(SELECT s.id FROM agent_series s JOIN agent_devices d ON d.id = s.agent_device_id
                                 WHERE s.id = ANY (:series) AND (:tenant IS NULL OR d.business_id = :tenant)))
    UNION ALL
    SELECT series_id, bucket, sample_count, value_sum, value_min, value_max
    FROM agent_series_1d
    WHERE :level = '1d' AND bucket >= :start AND bucket < :cut
      AND series_id = ANY (ARRAY(SELECT s.id FROM agent_series s JOIN agent_devices d ON d.id = s.agent_device_id
                                 WHERE s.id = ANY (:series) AND (:tenant IS NULL OR d.business_id = :tenant)))
    UNION ALL
    SELECT series_id, collected_at, 1, value, value, value
    FROM agent_series_samples
    WHERE collected_at >= :cut AND collected_at < :end::timestamptz
      AND series_id = ANY (ARRAY(SELECT s.id FROM agent_series s JOIN agent_devices d ON d.id = s.agent_device_id
                                 WHERE s.id = ANY (:series) AND (:tenant IS NULL OR d.business_id = :tenant)))
)
SELECT series_id,
       _timescaledb_functions.to_unix_microseconds(
           CASE WHEN :days::timestamptz[] IS NULL THEN time_bucket(:width::interval, time)
                ELSE (:days)[width_bucket(time, :days)] END) AS bucket,
       sum(sample_count)::bigint AS samples,
       sum(value_sum) / sum(sample_count)::double precision AS avg, min(value_min) AS min, max(value_max) AS max
FROM piece
GROUP BY 1, 2
ORDER BY 1, 2

-- chart_counters --
-- First, last, their times and the growth, in order of series and time. :series, :tenant; the others as above.
WITH piece AS (
    SELECT series_id, bucket AS time, sample_count, value_first, value_last, value_increase, value_first_at,
           value_last_at
    FROM agent_series_5m
    WHERE :level::text = '5m' AND bucket >= :start::timestamptz AND bucket < :cut::timestamptz
      AND series_id = ANY (ARRAY(SELECT s.id FROM agent_series s JOIN agent_devices d ON d.id = s.agent_device_id
                                 WHERE s.id = ANY (:series::integer[])
                                   AND (:tenant::uuid IS NULL OR d.business_id = :tenant)))
    UNION ALL
    SELECT series_id, bucket, sample_count, value_first, value_last, value_increase, value_first_at, value_last_at
    FROM agent_series_1h
    WHERE :level = '1h' AND bucket >= :start AND bucket < :cut
      AND series_id = ANY (ARRAY(SELECT s.id FROM agent_series s JOIN agent_devices d ON d.id = s.agent_device_id
                                 WHERE s.id = ANY (:series) AND (:tenant IS NULL OR d.business_id = :tenant)))
    UNION ALL
    SELECT series_id, bucket, sample_count, value_first, value_last, value_increase, value_first_at, value_last_at
    FROM agent_series_1d
    WHERE :level = '1d' AND bucket >= :start AND bucket < :cut
      AND series_id = ANY (ARRAY(SELECT s.id FROM agent_series s JOIN agent_devices d ON d.id = s.agent_device_id
                                 WHERE s.id = ANY (:series) AND (:tenant IS NULL OR d.business_id = :tenant)))
    UNION ALL
    SELECT series_id, collected_at, 1, value, value, 0, collected_at, collected_at
    FROM agent_series_samples
    WHERE collected_at >= :cut AND collected_at < :end::timestamptz
      AND series_id = ANY (ARRAY(SELECT s.id FROM agent_series s JOIN agent_devices d ON d.id = s.agent_device_id
                                 WHERE s.id = ANY (:series) AND (:tenant IS NULL OR d.business_id = :tenant)))
), placed AS (
    SELECT *, CASE WHEN :days::timestamptz[] IS NULL THEN time_bucket(:width::interval, time)
                   ELSE (:days)[width_bucket(time, :days)] END AS bucket
    FROM piece
), grown AS (
    SELECT *, counter_value(lag(value_last) OVER (PARTITION BY series_id, bucket ORDER BY time)) AS before
    FROM placed
)
SELECT series_id, _timescaledb_functions.to_unix_microseconds(bucket) AS bucket, sum(sample_count)::bigint AS samples,
       first(value_first, time) AS first, counter_value(last(value_last, time)) AS last,
       sum(value_increase + counter_growth(before, value_first)) AS increase,
       _timescaledb_functions.to_unix_microseconds(min(value_first_at)) AS first_at,
       _timescaledb_functions.to_unix_microseconds(max(value_last_at)) AS last_at
FROM grown
GROUP BY 1, 2
ORDER BY 1, 2

-- samples --
-- Raw samples, in order of series and time.
SELECT series_id, m.at AS bucket, 1::bigint AS samples, value AS avg, value AS min, value AS max,
       value AS first, counter_value(value) AS last, 0::double precision AS increase, m.at AS first_at, m.at AS last_at
FROM agent_series_samples
CROSS JOIN LATERAL (SELECT _timescaledb_functions.to_unix_microseconds(collected_at) AS at) m
WHERE collected_at >= :start::timestamptz AND collected_at < :end::timestamptz
  AND series_id = ANY (ARRAY(SELECT s.id FROM agent_series s JOIN agent_devices d ON d.id = s.agent_device_id
                             WHERE s.id = ANY (:series::integer[])
                               AND (:tenant::uuid IS NULL OR d.business_id = :tenant)))
ORDER BY series_id, collected_at
LIMIT :limit

-- list_series --
-- The series of a device with their newest values; a tenant sees nothing of a former owner.
SELECT s.metric, s.instance, s.unit, s.is_counter,
       CASE WHEN :tenant::uuid IS NULL THEN s.created_at ELSE GREATEST(s.created_at, d.owned_since) END AS created_at,
       s.last_seen_at, s.gone_at, s.value, s.collected_at
FROM agent_devices d
LEFT JOIN LATERAL (
    SELECT s.*, n.series_values[array_position(n.series_ids, s.id)] AS value,
           n.series_times[array_position(n.series_ids, s.id)] AS collected_at
    FROM agent_series s
    LEFT JOIN agent_series_newest n ON n.agent_device_id = s.agent_device_id AND n.metric = s.metric
    WHERE s.agent_device_id = d.id
) s ON :tenant::uuid IS NULL OR COALESCE(d.owned_since <= GREATEST(s.last_seen_at, s.collected_at), true)
WHERE d.id = :device_id AND NOT d.soft_delete AND (:tenant::uuid IS NULL OR d.business_id = :tenant)
ORDER BY s.metric, s.instance

-- top_of_fleet --
-- The highest newest values of a gauge over all devices, by an index: as many devices as values are wanted, at most.
-- :metric, :limit, :since not older than.
WITH device AS MATERIALIZED (
    SELECT n.*, d.device_name, d.business_id
    FROM agent_series_newest n JOIN agent_devices d ON d.id = n.agent_device_id
    WHERE n.metric = :metric AND NOT n.is_counter AND n.collected_at >= :since::timestamptz AND d.is_active
      AND NOT d.soft_delete
    ORDER BY n.highest DESC
    LIMIT :limit
)
SELECT n.agent_device_id, n.device_name, n.business_id, s.instance, s.unit, v.value, v.at AS collected_at
FROM device n
CROSS JOIN LATERAL unnest(n.series_ids, n.series_values, n.series_times) AS v (id, value, at)
JOIN agent_series s ON s.id = v.id
WHERE v.at >= :since AND s.gone_at IS NULL
ORDER BY v.value DESC, n.agent_device_id, s.instance
LIMIT :limit

-- top_of_business --
-- The same over the devices of one business.
WITH device AS MATERIALIZED (
    SELECT n.*, d.device_name, d.business_id, d.owned_since
    FROM agent_devices d JOIN agent_series_newest n ON n.agent_device_id = d.id AND n.metric = :metric
    WHERE (:tenant::uuid IS NULL OR d.business_id = :tenant) AND NOT n.is_counter
      AND n.collected_at >= :since::timestamptz
      AND d.is_active AND NOT d.soft_delete
    ORDER BY n.highest DESC
    LIMIT :limit
)
SELECT n.agent_device_id, n.device_name, n.business_id, s.instance, s.unit, v.value, v.at AS collected_at
FROM device n
CROSS JOIN LATERAL unnest(n.series_ids, n.series_values, n.series_times) AS v (id, value, at)
JOIN agent_series s ON s.id = v.id
WHERE v.at >= :since AND COALESCE(n.owned_since <= v.at, true) AND s.gone_at IS NULL
ORDER BY v.value DESC, n.agent_device_id, s.instance
LIMIT :limit
