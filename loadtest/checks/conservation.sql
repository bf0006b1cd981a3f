-- The rows of the database after a run, to be compared with the agents' receipts.

-- count_rows --
-- Rows of each device, the sum of their times (ms since 2020) and of their CPU (tenths of a percent); values of its
-- series, and the sum of those of its disks (tenths of a percent).
SELECT u.id::text AS agent_id, m.rows, m.times_sum, m.tenths_sum, s.series_values, s.series_tenths_sum
FROM unnest(:devices::uuid[]) AS u (id)
CROSS JOIN LATERAL (
    SELECT count(*) AS rows,
           COALESCE(sum(extract(epoch FROM m.collected_at - timestamptz '2020-01-01T00:00:00Z') * 1000), 0)::bigint
               AS times_sum,
           COALESCE(sum(round(m.cpu_percent * 10)), 0)::bigint AS tenths_sum
    FROM agent_metrics m WHERE m.agent_device_id = u.id
) m
CROSS JOIN LATERAL (
    SELECT count(*) AS series_values,
           COALESCE(sum(round(v.value * 10)) FILTER (WHERE s.metric = 'disk.percent'), 0)::bigint AS series_tenths_sum
    FROM agent_series s JOIN agent_series_samples v ON v.series_id = s.id
    WHERE s.agent_device_id = u.id
) s

-- sample_range --
-- The oldest and the newest sample of these devices, null without any.
SELECT min(collected_at) AS oldest,
       max(collected_at) AS newest FROM agent_metrics WHERE agent_device_id = ANY (:devices)

-- compare_rollups --
-- For each level, how many buckets of these devices raw samples make, and how many differ from the rollup:
-- missing, too many, or with another count, sum, least, greatest or growth. :devices, :levels, :widths, :ends of what
-- is rolled up, for each level.
WITH levels AS (
    SELECT * FROM unnest(:levels::text[], :widths::interval[], :ends::timestamptz[]) AS l (level, width, until)
), raw AS (
    SELECT l.level, m.agent_device_id, time_bucket(l.width, m.collected_at) AS bucket, count(*) AS samples,
           sum(m.cpu_percent) AS total, min(m.cpu_percent) AS least, max(m.cpu_percent) AS greatest,
           counter_increase(m.network_rx_bytes::double precision, m.network_rx_bytes::double precision, 0
                            ORDER BY m.collected_at) AS growth
    FROM agent_metrics m JOIN levels l ON m.collected_at < l.until
    WHERE m.agent_device_id = ANY (:devices::uuid[])
    GROUP BY 1, 2, 3
), rolled AS (
    SELECT '5m' AS level, agent_device_id, bucket, sample_count, cpu_percent_sum, cpu_percent_min, cpu_percent_max,
           network_rx_bytes_increase
    FROM agent_metrics_5m
    UNION ALL
    SELECT '1h', agent_device_id, bucket, sample_count, cpu_percent_sum, cpu_percent_min, cpu_percent_max,
           network_rx_bytes_increase
    FROM agent_metrics_1h
    UNION ALL
    SELECT '1d', agent_device_id, bucket, sample_count, cpu_percent_sum, cpu_percent_min, cpu_percent_max,
           network_rx_bytes_increase
    FROM agent_metrics_1d
), ours AS (
    SELECT r.* FROM rolled r JOIN levels l USING (level)
    WHERE r.agent_device_id = ANY (:devices::uuid[]) AND r.bucket < l.until
)
SELECT level, count(raw.bucket) AS buckets,
       count(*) FILTER (WHERE raw.samples IS DISTINCT FROM o.sample_count
                           OR raw.least IS DISTINCT FROM o.cpu_percent_min
                           OR raw.greatest IS DISTINCT FROM o.cpu_percent_max
                           OR (raw.total IS NULL) <> (o.cpu_percent_sum IS NULL)
                           OR abs(raw.total - o.cpu_percent_sum) > 1e-6 * greatest(1, abs(raw.total))
                           OR (raw.growth IS NULL) <> (o.network_rx_bytes_increase IS NULL)
                           OR abs(raw.growth - o.network_rx_bytes_increase) > 1e-6 * greatest(1, abs(raw.growth))
                       ) AS differing
FROM raw FULL JOIN ours o USING (level, agent_device_id, bucket)
GROUP BY level

-- compare_series_rollups --
-- The same for the series of these devices; a gauge has sum, least and greatest, a counter its growth. :devices to
-- :ends as above.
WITH levels AS (
    SELECT * FROM unnest(:levels::text[], :widths::interval[], :ends::timestamptz[]) AS l (level, width, until)
), series AS (
    SELECT id, is_counter FROM agent_series WHERE agent_device_id = ANY (:devices::uuid[])
), raw AS (
    SELECT l.level, v.series_id, time_bucket(l.width, v.collected_at) AS bucket, count(*) AS samples,
           sum(v.value) FILTER (WHERE NOT s.is_counter) AS total, min(v.value) FILTER (WHERE NOT s.is_counter) AS least,
           max(v.value) FILTER (WHERE NOT s.is_counter) AS greatest,
           counter_increase(v.value, v.value, 0 ORDER BY v.collected_at) FILTER (WHERE s.is_counter) AS growth
    FROM agent_series_samples v JOIN series s ON s.id = v.series_id JOIN levels l ON v.collected_at < l.until
    GROUP BY 1, 2, 3
), rolled AS (
    SELECT '5m' AS level, series_id, bucket, sample_count, value_sum, value_min, value_max, value_increase
    FROM agent_series_5m
    UNION ALL
    SELECT '1h', series_id, bucket, sample_count, value_sum, value_min, value_max, value_increase FROM agent_series_1h
    UNION ALL
    SELECT '1d', series_id, bucket, sample_count, value_sum, value_min, value_max, value_increase FROM agent_series_1d
), ours AS (
    SELECT r.* FROM rolled r JOIN levels l USING (level) JOIN series s ON s.id = r.series_id WHERE r.bucket < l.until
)
SELECT level, count(raw.bucket) AS buckets,
       count(*) FILTER (WHERE raw.samples IS DISTINCT FROM o.sample_count
                           OR raw.least IS DISTINCT FROM o.value_min
                           OR raw.greatest IS DISTINCT FROM o.value_max
                           OR (raw.total IS NULL) <> (o.value_sum IS NULL)
                           OR abs(raw.total - o.value_sum) > 1e-6 * greatest(1, abs(raw.total))
                           OR (raw.growth IS NULL) <> (o.value_increase IS NULL)
                           OR abs(raw.growth - o.value_increase) > 1e-6 * greatest(1, abs(raw.growth))
                       ) AS differing
FROM raw FULL JOIN ours o USING (level, series_id, bucket)
GROUP BY level

-- count_messages --
-- Notifications by recipient that were due long enough before the end, and how long they waited after they were due.
-- :prompt pattern of recipients, :gather how long a message waits for others, :until when they should have been sent.
SELECT n.recipient, count(*) AS made, count(n.sent_at) AS sent, coalesce(max(n.last_error), '') AS why,
       coalesce(max(extract(epoch FROM n.sent_at - n.created_at - :gather::interval)), 0)::float8 AS longest
FROM agent_alert_notifications n
WHERE n.recipient LIKE :prompt AND n.created_at + :gather <= :until::timestamptz
GROUP BY n.recipient
