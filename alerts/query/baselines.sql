-- Baselines of metrics of devices by hour of the week, for rules that compare with them.

-- read_pairs --
-- The devices in scope and their rules' metrics, each pair once, whose baseline is missing, older than :age, of a
-- former owner or in another time zone than that of the device's site or business. :terms, :now, :age, :default_zone
-- zone of all others.
SELECT DISTINCT p.device_id, p.name AS metric,
       {time_zone} AS time_zone
FROM alert_pairs(:terms::jsonb, NULL) p
JOIN agent_devices d ON d.id = p.device_id
{join_time_zones}
WHERE NOT EXISTS (SELECT FROM agent_baselines b
                  WHERE b.agent_device_id = p.device_id AND b.metric = p.name
                    AND b.computed_at > :now::timestamptz - :age::interval
                    AND COALESCE(b.computed_at > d.owned_since, true)
                    AND b.time_zone = {time_zone})
ORDER BY p.device_id, metric

-- write_baselines --
-- Median and median distance from it of the hourly means of the last five weeks, by hour of the week; fewer than
-- three weeks say nothing. The hour is by the clock of the device's people, so it is the same before and after summer
-- time. :devices, :metrics (in parallel), :now, :time_zones (in parallel).
WITH pair AS MATERIALIZED (
    SELECT * FROM unnest(:devices::uuid[], :metrics::text[], :time_zones::text[]) WITH ORDINALITY
        AS p (device_id, metric, time_zone, key)
), hourly AS MATERIALIZED (
    SELECT p.key, alert_local_hour_of_week(m.bucket, p.time_zone) AS hour_of_week,
           CASE p.metric {gauges WHEN 'NAME' THEN m.NAME_sum / NULLIF(m.NAME_count, 0)} END AS mean
    FROM pair p
    JOIN agent_devices d ON d.id = p.device_id
    JOIN agent_metrics_1h m ON m.agent_device_id = p.device_id AND COALESCE(m.bucket > d.owned_since, true)
    WHERE m.bucket > :now::timestamptz - interval '35 days' AND m.bucket <= :now
), {baselines}
INSERT INTO agent_baselines AS b
    (agent_device_id, metric, hour_of_week, median, distance, weeks, computed_at, time_zone)
SELECT p.device_id, p.metric, u.hour_of_week, u.median, u.distance, u.weeks, :now, p.time_zone
FROM baseline u
JOIN pair p ON p.key = u.key
JOIN agent_devices d ON d.id = p.device_id
ON CONFLICT (agent_device_id, metric, hour_of_week) DO UPDATE
SET median = EXCLUDED.median, distance = EXCLUDED.distance, weeks = EXCLUDED.weeks, computed_at = EXCLUDED.computed_at,
    time_zone = EXCLUDED.time_zone
WHERE b.computed_at <= EXCLUDED.computed_at

-- forget_hours --
-- Delete hours of these pairs that no longer have three weeks of data. :devices, :metrics (in parallel), :now.
DELETE FROM agent_baselines b
USING unnest(:devices::uuid[], :metrics::text[]) AS p (device_id, metric)
WHERE b.agent_device_id = p.device_id AND b.metric = p.metric AND b.computed_at < :now::timestamptz

-- forget_baselines --
-- Delete baselines that no rule has used for :age.
DELETE FROM agent_baselines WHERE computed_at < :now::timestamptz - :age::interval
