-- Forecasts of instances at instants of the past, for backtests and rule tests.

-- past_series_forecast_results --
-- Instances that would have reached a value within a leaf's span (days), as they had grown at the beginning of the
-- hour of each instant; only these. What was measured under a former owner is not read. Hours before the cut are read
-- from rollups, later ones from samples. :terms, :tenant, :instants, :cut; :among the only devices (or null).
WITH leaf AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset(:terms::jsonb) AS l (rule_id uuid, leaf integer, includes jsonb, excludes jsonb)
), requested AS MATERIALIZED (
    SELECT p.rule_id, p.leaf, p.device_id, s.id AS series_id, s.instance, s.unit = 'percent' AS is_percent, p.span,
           COALESCE(d.owned_since, '-infinity') AS owned,
           p.value_threshold AS reaches
    FROM alert_pairs(:terms::jsonb, :tenant::uuid, :among::uuid[]) p
    JOIN leaf l ON l.rule_id = p.rule_id AND l.leaf = p.leaf
    JOIN agent_devices d ON d.id = p.device_id
    JOIN agent_series s ON s.agent_device_id = p.device_id AND s.metric = p.name AND s.gone_at IS NULL AND NOT s.is_counter
     AND {instance_is_picked}
), instant AS MATERIALIZED (
    SELECT i.at, time_bucket('1 hour', i.at) AS hour FROM unnest(:instants::timestamptz[]) AS i (at)
), evaluated_hour AS MATERIALIZED (
    SELECT DISTINCT hour, (hour AT TIME ZONE 'UTC')::date AS day FROM instant
), hourly AS MATERIALIZED (
    SELECT m.series_id, m.bucket AS hour, m.value_max AS highest
    FROM agent_series_1h m
    WHERE m.series_id = ANY (ARRAY(SELECT w.series_id FROM requested w)) AND m.bucket < :cut::timestamptz
      AND m.bucket >= (SELECT min(hour) FROM evaluated_hour) - interval '31 days' AND m.bucket < (SELECT max(hour) FROM evaluated_hour)
    UNION ALL
    SELECT m.series_id, time_bucket('1 hour', m.collected_at), max(m.value)
    FROM agent_series_samples m
    WHERE m.series_id = ANY (ARRAY(SELECT w.series_id FROM requested w)) AND m.collected_at >= :cut
      AND m.collected_at >= (SELECT min(hour) FROM evaluated_hour) - interval '31 days'
      AND m.collected_at < (SELECT max(hour) FROM evaluated_hour)
    GROUP BY 1, 2
), owned AS MATERIALIZED (
    SELECT h.*
    FROM hourly h JOIN (SELECT DISTINCT series_id, owned FROM requested) w ON w.series_id = h.series_id
    WHERE h.hour > w.owned
), daily AS MATERIALIZED (
    SELECT series_id, (hour AT TIME ZONE 'UTC')::date AS day, max(highest) AS highest FROM owned GROUP BY 1, 2
), sample AS (
    SELECT d.series_id, a.hour, d.day, d.highest
    FROM evaluated_hour a JOIN daily d ON d.day < a.day AND d.day > a.day - 31
    UNION ALL
    SELECT h.series_id, a.hour, a.day, max(h.highest)
    FROM evaluated_hour a JOIN owned h ON h.hour >= a.day::timestamp AT TIME ZONE 'UTC' AND h.hour < a.hour
    GROUP BY 1, 2, 3
), listed AS MATERIALIZED (
    SELECT series_id, hour, array_agg(day ORDER BY day) AS days, array_agg(highest ORDER BY day) AS highs
    FROM sample
    GROUP BY 1, 2
), grown AS MATERIALIZED (
    SELECT l.series_id, l.hour, g.newest, g.slope_per_day
    FROM listed l
    JOIN (SELECT DISTINCT series_id, is_percent FROM requested) w ON w.series_id = l.series_id
    CROSS JOIN LATERAL alert_growth(l.days, l.highs, w.is_percent) g
), judged AS (
    SELECT w.rule_id, w.leaf, w.device_id, w.instance, w.span, g.hour, g.newest, g.slope_per_day,
           CASE WHEN g.newest >= w.reaches THEN 0
                WHEN g.slope_per_day > 0 THEN (w.reaches - g.newest) / g.slope_per_day END AS days_left
    FROM requested w JOIN grown g ON g.series_id = w.series_id
)
SELECT j.rule_id, j.leaf, j.device_id, j.instance, i.at, j.days_left AS value,
       (extract(epoch FROM j.span) / 86400.0)::double precision AS threshold, true AS breached, true AS begun,
       true AS holding,
       format('now %s, growing by %s a day', round(j.newest::numeric, 1), round(j.slope_per_day::numeric, 2)) AS note
FROM judged j JOIN instant i ON i.hour = j.hour
WHERE j.days_left <= extract(epoch FROM j.span) / 86400.0
ORDER BY i.at
