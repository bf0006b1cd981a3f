-- How metrics grow, for rules that look ahead.

-- read_pairs --
-- The devices in reach and their rules' metrics, each pair once. :terms.
SELECT DISTINCT device_id, name AS metric FROM alert_pairs(:terms::jsonb, NULL) ORDER BY device_id, metric

-- write_forecasts --
-- Growth a day by the median of the slopes between daily maxima (Theil-Sen), since the last big drop: a fall by more
-- than 10 points of a percentage, or 10 % of anything else. Where such drops come again (two or more), what is
-- cleaned regularly isn't growth: then it is the slope between the highest values before each drop. It isn't growth
-- unless three quarters of the slopes rise. Fewer than five days say nothing; after a drop they say that there is no
-- growth yet, so that what a clean-up has solved ends. Days that aren't rolled up yet are read from hours. :devices,
-- :metrics (in parallel), :now, :days_until until when days are rolled up.
WITH pair AS MATERIALIZED (
    SELECT * FROM unnest(:devices::uuid[], :metrics::text[]) AS p (device_id, metric)
), bucket AS (
    SELECT p.device_id, p.metric, m.bucket,
           CASE p.metric {gauges WHEN 'NAME' THEN m.NAME_max} END AS highest
    FROM pair p
    JOIN agent_metrics_1d m ON m.agent_device_id = p.device_id
    WHERE m.bucket > :now::timestamptz - interval '31 days' AND m.bucket < :days_until::timestamptz
    UNION ALL
    SELECT p.device_id, p.metric, m.bucket,
           CASE p.metric {gauges WHEN 'NAME' THEN m.NAME_max} END
    FROM pair p
    JOIN agent_metrics_1h m ON m.agent_device_id = p.device_id
    WHERE m.bucket > :now - interval '31 days' AND m.bucket >= :days_until AND m.bucket <= :now
), daily AS (
    SELECT device_id, metric, (bucket AT TIME ZONE 'UTC')::date AS day, max(highest) AS highest
    FROM bucket
    WHERE highest IS NOT NULL
    GROUP BY 1, 2, 3
), fallen AS (
    SELECT d.*, lag(highest) OVER (PARTITION BY device_id, metric ORDER BY day) - highest
                > CASE WHEN metric LIKE '%percent' THEN 10
                       ELSE 0.1 * lag(highest) OVER (PARTITION BY device_id, metric ORDER BY day) END AS fell
    FROM daily d
), era AS (
    SELECT device_id, metric, COALESCE(max(day) FILTER (WHERE fell), min(day)) AS since, bool_or(fell) AS has_fallen,
           count(*) FILTER (WHERE fell) AS drops
    FROM fallen
    GROUP BY device_id, metric
), tooth AS (
    SELECT f.*, count(*) FILTER (WHERE fell) OVER (PARTITION BY device_id, metric ORDER BY day) AS number FROM fallen f
), peak AS MATERIALIZED (
    SELECT t.device_id, t.metric, t.number, max(t.highest) AS highest, last(t.day, t.highest) AS day
    FROM tooth t JOIN era e ON e.device_id = t.device_id AND e.metric = t.metric
    WHERE e.drops >= 2 AND t.number < e.drops
    GROUP BY t.device_id, t.metric, t.number
), rise AS (
    SELECT a.device_id, a.metric, max(b.highest) AS highest,
           percentile_cont(0.5) WITHIN GROUP (ORDER BY (b.highest - a.highest) / GREATEST(b.day - a.day, 1)) AS median,
           percentile_cont(0.25) WITHIN GROUP (ORDER BY (b.highest - a.highest) / GREATEST(b.day - a.day, 1)) AS quarter
    FROM peak a JOIN peak b ON b.device_id = a.device_id AND b.metric = a.metric AND b.number > a.number
    GROUP BY a.device_id, a.metric
), point AS MATERIALIZED (
    SELECT d.device_id, d.metric, d.day, d.highest
    FROM daily d JOIN era e ON e.device_id = d.device_id AND e.metric = d.metric AND d.day >= e.since
), slope AS (
    SELECT a.device_id, a.metric,
           percentile_cont(0.5) WITHIN GROUP (ORDER BY (b.highest - a.highest) / (b.day - a.day)) AS median,
           percentile_cont(0.25) WITHIN GROUP (ORDER BY (b.highest - a.highest) / (b.day - a.day)) AS quarter
    FROM point a JOIN point b ON b.device_id = a.device_id AND b.metric = a.metric AND b.day > a.day
    GROUP BY a.device_id, a.metric
), known AS (
    SELECT p.device_id, p.metric, last(p.highest, p.day) AS newest, count(*)::integer AS days
    FROM point p
    GROUP BY p.device_id, p.metric
)
INSERT INTO agent_forecasts AS f (agent_device_id, metric, newest, slope_per_day, days, since, computed_at)
SELECT k.device_id, k.metric, CASE WHEN r.quarter > 0 THEN GREATEST(k.newest, r.highest) ELSE k.newest END,
       CASE WHEN r.device_id IS NOT NULL THEN CASE WHEN r.quarter > 0 THEN r.median ELSE 0 END
            WHEN k.days < 5 THEN 0 WHEN s.quarter > 0 THEN s.median ELSE LEAST(s.median, 0) END,
       k.days, e.since, :now
FROM known k
JOIN era e ON e.device_id = k.device_id AND e.metric = k.metric
JOIN agent_devices d ON d.id = k.device_id
LEFT JOIN rise r ON r.device_id = k.device_id AND r.metric = k.metric
LEFT JOIN slope s ON s.device_id = k.device_id AND s.metric = k.metric
WHERE k.days >= 5 OR e.has_fallen
ON CONFLICT (agent_device_id, metric) DO UPDATE
SET newest = EXCLUDED.newest, slope_per_day = EXCLUDED.slope_per_day, days = EXCLUDED.days, since = EXCLUDED.since,
    computed_at = EXCLUDED.computed_at
WHERE f.computed_at <= EXCLUDED.computed_at

-- forget_forecasts --
-- Delete forecasts that this pass did not write: the device is out of reach, or has too little data.
DELETE FROM agent_forecasts WHERE computed_at < :now
