-- How metrics grow, for rules that look ahead.

-- read_pairs --
-- The devices in reach and their rules' metrics, each pair once. :terms.
SELECT DISTINCT device_id, name AS metric FROM alert_pairs(:terms::jsonb, NULL) ORDER BY device_id, metric

-- write_forecasts --
-- The growth a day of daily maxima over 31 days, by the function `alert_growth`; days that are not rolled up yet are
-- read from hours, what was measured under a former owner is not. Metrics with too little data get no row. :devices,
-- :metrics (in parallel), :now, :days_until until when days are rolled up.
WITH pair AS MATERIALIZED (
    SELECT * FROM unnest(:devices::uuid[], :metrics::text[]) AS p (device_id, metric)
), bucket AS (
    SELECT p.device_id, p.metric, m.bucket,
           CASE p.metric {gauges WHEN 'NAME' THEN m.NAME_max} END AS highest
    FROM pair p
    JOIN agent_devices d ON d.id = p.device_id
    JOIN agent_metrics_1d m ON m.agent_device_id = p.device_id AND COALESCE(m.bucket > d.owned_since, true)
    WHERE m.bucket > :now::timestamptz - interval '31 days' AND m.bucket < :days_until::timestamptz
    UNION ALL
    SELECT p.device_id, p.metric, m.bucket,
           CASE p.metric {gauges WHEN 'NAME' THEN m.NAME_max} END
    FROM pair p
    JOIN agent_devices d ON d.id = p.device_id
    JOIN agent_metrics_1h m ON m.agent_device_id = p.device_id AND COALESCE(m.bucket > d.owned_since, true)
    WHERE m.bucket > :now - interval '31 days' AND m.bucket >= :days_until AND m.bucket <= :now
), daily AS (
    SELECT device_id, metric, (bucket AT TIME ZONE 'UTC')::date AS day, max(highest) AS highest
    FROM bucket
    WHERE highest IS NOT NULL
    GROUP BY 1, 2, 3
), listed AS MATERIALIZED (
    SELECT device_id, metric, array_agg(day ORDER BY day) AS days, array_agg(highest ORDER BY day) AS highs
    FROM daily
    GROUP BY 1, 2
)
INSERT INTO agent_forecasts AS f (agent_device_id, metric, newest, slope_per_day, days, since, computed_at)
SELECT l.device_id, l.metric, g.newest, g.slope_per_day, g.day_count, g.since, :now
FROM listed l
JOIN agent_devices d ON d.id = l.device_id
CROSS JOIN LATERAL alert_growth(l.days, l.highs, l.metric LIKE '%percent') g
ON CONFLICT (agent_device_id, metric) DO UPDATE
SET newest = EXCLUDED.newest, slope_per_day = EXCLUDED.slope_per_day, days = EXCLUDED.days, since = EXCLUDED.since,
    computed_at = EXCLUDED.computed_at
WHERE f.computed_at <= EXCLUDED.computed_at

-- forget_forecasts --
-- Delete forecasts that this pass did not write: the device is out of reach, or has too little data.
DELETE FROM agent_forecasts WHERE computed_at < :now
