-- Baselines of series by hour of the week, for rules on instances that compare with them.

-- read_series --
-- The series in reach of the rules whose baseline is missing, older than :age, of a former owner or by the clock of
-- another zone than that of the device's site or business. :terms, :now, :age, :default_zone of all others.
WITH leaf AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset(:terms::jsonb) AS l (rule_id uuid, leaf integer, includes jsonb, excludes jsonb)
), requested AS (
    SELECT DISTINCT s.id AS series_id, s.is_counter, s.agent_device_id AS device_id,
           s.metric || ' of ' || s.instance AS metric, d.owned_since,
           {time_zone} AS time_zone
    FROM alert_pairs(:terms::jsonb, NULL) p
    JOIN leaf l ON l.rule_id = p.rule_id AND l.leaf = p.leaf
    JOIN agent_devices d ON d.id = p.device_id
    JOIN agent_series s ON s.agent_device_id = p.device_id AND s.metric = p.name AND s.gone_at IS NULL
     AND {instance_is_picked}
    {join_time_zones}
)
SELECT w.*
FROM requested w
WHERE NOT EXISTS (SELECT FROM agent_series_baselines b
                  WHERE b.series_id = w.series_id AND b.computed_at > :now::timestamptz - :age::interval
                    AND COALESCE(b.computed_at > w.owned_since, true)
                    AND b.time_zone = w.time_zone)
ORDER BY w.series_id

-- write_baselines --
-- Median and median distance from it of the hourly means of the last five weeks, by hour of the week; of a counter the
-- rate within the hour. Fewer than three weeks say nothing. :series, :time_zones (in parallel), :now.
WITH requested AS MATERIALIZED (
    SELECT * FROM unnest(:series::integer[], :time_zones::text[]) AS w (series_id, time_zone)
), hourly AS MATERIALIZED (
    SELECT w.series_id AS key, alert_local_hour_of_week(m.bucket, w.time_zone) AS hour_of_week,
           COALESCE(m.value_sum / m.sample_count::double precision,
                    m.value_increase / NULLIF(extract(epoch FROM m.value_last_at - m.value_first_at), 0)::double precision
           ) AS mean
    FROM requested w
    JOIN agent_series s ON s.id = w.series_id
    JOIN agent_devices d ON d.id = s.agent_device_id
    JOIN agent_series_1h m ON m.series_id = w.series_id AND COALESCE(m.bucket > d.owned_since, true)
    WHERE m.bucket > :now::timestamptz - interval '35 days' AND m.bucket <= :now
), {baselines}
INSERT INTO agent_series_baselines AS b (series_id, hour_of_week, median, distance, weeks, time_zone, computed_at)
SELECT w.series_id, u.hour_of_week, u.median, u.distance, u.weeks, w.time_zone, :now
FROM baseline u
JOIN requested w ON w.series_id = u.key
JOIN agent_series s ON s.id = w.series_id
ON CONFLICT (series_id, hour_of_week) DO UPDATE
SET median = EXCLUDED.median, distance = EXCLUDED.distance, weeks = EXCLUDED.weeks, time_zone = EXCLUDED.time_zone,
    computed_at = EXCLUDED.computed_at
WHERE b.computed_at <= EXCLUDED.computed_at

-- forget_hours --
-- Delete hours of these series that no longer have three weeks of data. :series, :now.
DELETE FROM agent_series_baselines WHERE series_id = ANY (:series::integer[]) AND computed_at < :now::timestamptz

-- forget_baselines --
-- Delete baselines that no rule has used for :age. :now, :age.
DELETE FROM agent_series_baselines WHERE computed_at < :now::timestamptz - :age::interval
