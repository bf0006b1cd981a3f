-- What is usual for metrics of devices at each hour of the week, for rules that compare with it.

-- read_pairs --
-- The devices in reach and their rules' metrics, each pair once, whose baseline is missing, older than :age or by the
-- clock of another zone than that of the device's site or business. :terms, :now, :age, :default_zone zone of
-- all others.
SELECT DISTINCT p.device_id, p.name AS metric,
       alert_known_zone(COALESCE(site.time_zone, business.time_zone, :default_zone::text), 'UTC') AS time_zone
FROM alert_pairs(:terms::jsonb, NULL) p
JOIN agent_devices d ON d.id = p.device_id
LEFT JOIN agent_time_zones site
       ON site.business_id = d.business_id AND site.service_location_id = d.service_location_id
LEFT JOIN agent_time_zones business
       ON business.business_id = d.business_id AND business.service_location_id IS NULL
WHERE NOT EXISTS (SELECT FROM agent_baselines b
                  WHERE b.agent_device_id = p.device_id AND b.metric = p.name
                    AND b.computed_at > :now::timestamptz - :age::interval
                    AND b.time_zone = alert_known_zone(COALESCE(site.time_zone, business.time_zone, :default_zone),
                                                       'UTC'))
ORDER BY p.device_id, metric

-- write_baselines --
-- Median and median distance from it of the hourly means of the last five weeks, by hour of the week; fewer than
-- three weeks say nothing. The hour is by the clock of the device's people, so it is the same before and after summer
-- time. :devices, :metrics (in parallel), :now, :time_zones (in parallel).
WITH pair AS MATERIALIZED (
    SELECT * FROM unnest(:devices::uuid[], :metrics::text[], :time_zones::text[]) AS p (device_id, metric, time_zone)
), hourly AS MATERIALIZED (
    SELECT p.device_id, p.metric, p.time_zone, alert_local_hour_of_week(m.bucket, p.time_zone) AS hour_of_week,
           CASE p.metric {gauges WHEN 'NAME' THEN m.NAME_sum / NULLIF(m.NAME_count, 0)} END AS mean
    FROM pair p
    JOIN agent_metrics_1h m ON m.agent_device_id = p.device_id
    WHERE m.bucket > :now::timestamptz - interval '35 days' AND m.bucket <= :now
), usual AS MATERIALIZED (
    SELECT device_id, metric, hour_of_week, percentile_cont(0.5) WITHIN GROUP (ORDER BY mean) AS median,
           count(*)::integer AS weeks
    FROM hourly
    WHERE mean IS NOT NULL
    GROUP BY device_id, metric, hour_of_week
    HAVING count(*) >= 3
)
INSERT INTO agent_baselines AS b
    (agent_device_id, metric, hour_of_week, median, distance, weeks, computed_at, time_zone)
SELECT u.device_id, u.metric, u.hour_of_week, u.median,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY abs(h.mean - u.median)), u.weeks, :now, h.time_zone
FROM usual u
JOIN hourly h ON h.device_id = u.device_id AND h.metric = u.metric AND h.hour_of_week = u.hour_of_week
JOIN agent_devices d ON d.id = u.device_id
WHERE h.mean IS NOT NULL
GROUP BY u.device_id, u.metric, u.hour_of_week, u.median, u.weeks, h.time_zone
ON CONFLICT (agent_device_id, metric, hour_of_week) DO UPDATE
SET median = EXCLUDED.median, distance = EXCLUDED.distance, weeks = EXCLUDED.weeks, computed_at = EXCLUDED.computed_at,
    time_zone = EXCLUDED.time_zone
WHERE b.computed_at <= EXCLUDED.computed_at

-- forget_hours --
-- Hours of these pairs that have no longer three weeks. :devices, :metrics (in parallel), :now.
DELETE FROM agent_baselines b
USING unnest(:devices::uuid[], :metrics::text[]) AS p (device_id, metric)
WHERE b.agent_device_id = p.device_id AND b.metric = p.metric AND b.computed_at < :now::timestamptz

-- forget_baselines --
-- What nobody has asked for any more for a while.
DELETE FROM agent_baselines WHERE computed_at < :now::timestamptz - :age::interval
