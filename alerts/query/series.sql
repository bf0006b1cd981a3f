-- Conditions on instances of devices: one statement a level and kind, however many rules, devices or instances there
-- are.

-- series_results --
-- Leaves × devices in their reach × instances that they pick, at instants. A piece is a sample, or a bucket of a
-- level before the cut, known a moment before its end; in the past windows are rounded up to buckets. Of a counter it
-- is the rate per second, unknown where it fell without a reboot. A clock that is wrong is taken into account. It is
-- compared with the threshold, or with the baseline of the series at that hour of the week. What was measured under a
-- former owner is not read. Live, only those instances
-- are read whose newest value is beyond the threshold, and those where the rule is open. :terms, :tenant, :instants in
-- order, :everything, :level `raw`, `5m` or `1h`, :cut, :width of a bucket (zero for raw), :lowest time; :among the
-- only devices (or null).
WITH leaf AS MATERIALIZED (
    SELECT *
    FROM jsonb_to_recordset(:terms::jsonb)
        AS l (rule_id uuid, leaf integer, part text, includes jsonb, excludes jsonb)
), requested AS MATERIALIZED (
    SELECT p.rule_id, p.leaf, p.device_id, p.every, p.is_up, p.is_strict, p.value_threshold, p.last_threshold,
           p.recovery, p.by_value, p.span, p.deviations, p.floor, l.part, s.id AS series_id, s.instance, s.is_counter,
           CASE WHEN :everything::boolean THEN interval '0' ELSE d.clock_shift END AS shift,
           COALESCE(d.owned_since + CASE WHEN :everything THEN interval '0' ELSE d.clock_shift END,
                    '-infinity') AS owned,
           CASE WHEN :everything AND :width::interval > interval '0'
                THEN ceil(extract(epoch FROM p.span) / extract(epoch FROM :width)) * :width ELSE p.span END AS taken,
           EXISTS (SELECT FROM agent_alert_states a
                   WHERE a.agent_alert_id = p.rule_id AND a.agent_device_id = p.device_id
                     AND a.instance = s.instance) AS is_open
    FROM alert_pairs(:terms::jsonb, :tenant::uuid, :among::uuid[]) p
    JOIN agent_devices d ON d.id = p.device_id
    JOIN leaf l ON l.rule_id = p.rule_id AND l.leaf = p.leaf
    JOIN agent_series s ON s.agent_device_id = p.device_id AND s.metric = p.name AND s.gone_at IS NULL
     AND {instance_is_picked}
    LEFT JOIN agent_series_newest n ON n.agent_device_id = p.device_id AND n.metric = p.name
    WHERE :everything OR p.by_value OR s.is_counter OR p.deviations > 0 OR d.clock_shift <> '0'
       OR alert_beyond(n.series_values[array_position(n.series_ids, s.id)], p.is_up, p.is_strict, p.last_threshold)
           IS NOT FALSE
       OR EXISTS (SELECT FROM agent_alert_states a
                  WHERE a.agent_alert_id = p.rule_id AND a.agent_device_id = p.device_id AND a.instance = s.instance)
), reading AS (
    SELECT w.*, i.at, f.*
    FROM requested w
    CROSS JOIN unnest(:instants::timestamptz[]) AS i (at)
    CROSS JOIN LATERAL (SELECT i.at + w.shift AS at) l
    CROSS JOIN LATERAL (
        SELECT CASE w.part
                   WHEN 'min' THEN min(v.low) FILTER (WHERE v.inside)
                   WHEN 'max' THEN max(v.high) FILTER (WHERE v.inside)
                   WHEN 'avg' THEN sum(v.mean * v.count) FILTER (WHERE v.inside)
                                   / NULLIF(sum(v.count) FILTER (WHERE v.inside), 0)
                   WHEN 'last' THEN last(v.mean, v.time) FILTER (WHERE v.inside)
                   WHEN 'change' THEN last(v.mean, v.time) FILTER (WHERE v.inside)
                                      - first(v.mean, v.time) FILTER (WHERE v.inside)
                   WHEN 'share' THEN 100.0 * count(*) FILTER (
                           WHERE v.inside AND alert_beyond(v.mean, w.is_up, w.is_strict, w.last_threshold))
                       / NULLIF(count(*) FILTER (WHERE v.inside), 0)
               END::double precision AS value,
               sum(v.count) FILTER (WHERE v.inside) AS count,
               last(v.mean, v.time) FILTER (WHERE v.seen > l.at - 2.5 * w.every - interval '1 minute') AS newest
        FROM (
            SELECT p.*, p.time > l.at - GREATEST(w.taken, 1.25 * w.every, :width) AS inside
            FROM (
                SELECT x.collected_at AS time, x.collected_at AS seen, 1::double precision AS count,
                       x.rate AS low, x.rate AS high, x.rate AS mean
                FROM (
                    SELECT m.collected_at,
                           CASE WHEN NOT w.is_counter THEN m.value
                                WHEN m.value >= 0
                                THEN (m.value - CASE WHEN m.value >= counter_value(lag(m.value) OVER t)
                                                     THEN counter_value(lag(m.value) OVER t) ELSE 0 END)
                                     / extract(epoch FROM m.collected_at - lag(m.collected_at) OVER t)::double precision
                           END AS rate
                    FROM agent_series_samples m
                    WHERE m.series_id = w.series_id AND m.collected_at > :lowest::timestamptz
                      AND m.collected_at >= :cut::timestamptz AND m.collected_at > w.owned
                      AND (w.shift = '0'
                           OR EXISTS (SELECT FROM agent_metrics r -- before the clock was set back, times were the same
                                      WHERE r.agent_device_id = w.device_id AND r.collected_at = m.collected_at
                                        AND r.collected_at > :lowest AND r.collected_at < r.received_at + w.shift / 2))
                      AND m.collected_at <= l.at
                      AND m.collected_at > l.at - GREATEST(w.span, 2.5 * w.every + interval '1 minute') - 3 * w.every
                    WINDOW t AS (ORDER BY m.collected_at)
                ) x
                WHERE x.rate IS NOT NULL
                UNION ALL
                SELECT b.bucket, b.bucket + GREATEST(:width - w.every, interval '0'), b.sample_count::double precision,
                       COALESCE(b.value_min, b.rate), COALESCE(b.value_max, b.rate),
                       COALESCE(b.value_sum / b.sample_count::double precision, b.rate)
                FROM (
                    SELECT r.*, r.value_increase
                                / NULLIF(extract(epoch FROM r.value_last_at - r.value_first_at),
                                         0)::double precision AS rate
                    FROM (
                        SELECT * FROM agent_series_5m f
                        WHERE :level::text = '5m' AND f.series_id = w.series_id AND f.bucket > :lowest
                          AND f.bucket < :cut
                        UNION ALL
                        SELECT * FROM agent_series_1h h
                        WHERE :level = '1h' AND h.series_id = w.series_id AND h.bucket > :lowest AND h.bucket < :cut
                    ) r
                    WHERE r.bucket + :width - interval '1 microsecond' <= l.at AND r.bucket > w.owned
                      AND r.bucket > l.at - GREATEST(w.taken, 2.5 * w.every + interval '1 minute') - :width
                ) b
                WHERE b.value_sum IS NOT NULL OR b.rate IS NOT NULL
            ) p
        ) v
    ) f
), bounded AS (
    SELECT k.*, CASE WHEN k.deviations > 0 THEN u.highest ELSE k.value_threshold END AS value_bound,
           CASE WHEN k.deviations > 0 THEN u.highest ELSE k.last_threshold END AS last_bound,
           CASE WHEN k.deviations > 0 THEN u.highest ELSE k.recovery END AS recovery_bound
    FROM reading k
    LEFT JOIN LATERAL (
        SELECT GREATEST(b.median + k.deviations * 1.4826 * b.distance, b.median + k.floor) AS highest
        FROM agent_series_baselines b
        WHERE k.deviations > 0 AND b.series_id = k.series_id
          AND b.hour_of_week = alert_local_hour_of_week(date_trunc('hour', k.at), b.time_zone)
    ) u ON true
), compared AS (
    SELECT k.*, alert_beyond(k.value, k.is_up, k.is_strict, k.value_bound) AS over,
           alert_beyond(k.newest, k.is_up, k.is_strict, k.last_bound) AS last_over,
           alert_beyond(k.newest, k.is_up, k.is_strict, k.recovery_bound) AS last_holding
    FROM bounded k
), judged AS (
    SELECT c.*,
           CASE WHEN c.over IS FALSE THEN false
                WHEN COALESCE(c.count, 0) * c.every >= 0.8 * c.span THEN c.over END AS breached,
           CASE WHEN c.by_value THEN c.over ELSE c.last_over END AS begun,
           CASE WHEN c.by_value THEN c.over ELSE c.last_holding END AS holding
    FROM compared c
)
SELECT j.rule_id, j.leaf, j.device_id, j.instance, j.at, COALESCE(j.value, j.newest) AS value,
       j.value_bound AS threshold, j.breached, j.begun, j.holding, NULL::text AS note
FROM judged j
WHERE (:everything AND (j.begun IS DISTINCT FROM false OR j.holding IS DISTINCT FROM false))
   OR j.breached OR j.begun OR j.is_open
ORDER BY j.at

-- series_forecast_results --
-- Instances that reach a value within a leaf's span (days), as they have grown. Growth older than two days is not
-- used. :terms, :tenant, :now; :among the only devices (or null).
WITH leaf AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset(:terms::jsonb) AS l (rule_id uuid, leaf integer, includes jsonb, excludes jsonb)
), grown AS (
    SELECT p.rule_id, p.leaf, p.device_id, s.instance, p.span, p.value_threshold AS reaches, f.newest, f.slope_per_day,
           f.computed_at > :now::timestamptz - interval '2 days' AS is_fresh,
           CASE WHEN f.newest >= p.value_threshold THEN 0
                WHEN f.slope_per_day > 0 THEN (p.value_threshold - f.newest) / f.slope_per_day END AS days_left
    FROM alert_pairs(:terms::jsonb, :tenant::uuid, :among::uuid[]) p
    JOIN agent_devices d ON d.id = p.device_id
    JOIN leaf l ON l.rule_id = p.rule_id AND l.leaf = p.leaf
    JOIN agent_series s ON s.agent_device_id = p.device_id AND s.metric = p.name AND s.gone_at IS NULL
     AND {instance_is_picked}
    JOIN agent_series_forecasts f ON f.series_id = s.id AND COALESCE(f.computed_at > d.owned_since, true)
), judged AS (
    SELECT g.*, CASE WHEN g.is_fresh
                     THEN COALESCE(g.days_left <= extract(epoch FROM g.span) / 86400.0, false) END AS is_near
    FROM grown g
)
SELECT j.rule_id, j.leaf, j.device_id, j.instance, :now::timestamptz AS at, j.days_left AS value,
       (extract(epoch FROM j.span) / 86400.0)::double precision AS threshold, j.is_near AS breached, j.is_near AS begun,
       j.is_near AS holding,
       format('now %s, growing by %s a day', round(j.newest::numeric, 1), round(j.slope_per_day::numeric, 2)) AS note
FROM judged j
WHERE j.is_near OR EXISTS (SELECT FROM agent_alert_states s
                           WHERE s.agent_alert_id = j.rule_id AND s.agent_device_id = j.device_id
                             AND s.instance = j.instance)

-- read_forecast_series --
-- The series that rules look ahead on, and what each is called. :terms.
WITH leaf AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset(:terms::jsonb) AS l (rule_id uuid, leaf integer, includes jsonb, excludes jsonb)
)
SELECT DISTINCT s.id, s.agent_device_id AS device_id, s.metric || ' of ' || s.instance AS metric
FROM alert_pairs(:terms::jsonb, NULL) p
JOIN agent_devices d ON d.id = p.device_id
JOIN leaf l ON l.rule_id = p.rule_id AND l.leaf = p.leaf
JOIN agent_series s ON s.agent_device_id = p.device_id AND s.metric = p.name AND s.gone_at IS NULL AND NOT s.is_counter
 AND {instance_is_picked}
ORDER BY s.id

-- write_forecasts --
-- Growth a day of series by their daily maxima under the present owner. :series, :now, :days_until until when days are
-- rolled up.
WITH bucket AS (
    SELECT m.series_id, m.bucket, m.value_max
    FROM agent_series_1d m
    WHERE m.series_id = ANY (:series::integer[]) AND m.bucket > :now::timestamptz - interval '31 days'
      AND m.bucket < :days_until::timestamptz
    UNION ALL
    SELECT m.series_id, m.bucket, m.value_max
    FROM agent_series_1h m
    WHERE m.series_id = ANY (:series) AND m.bucket > :now - interval '31 days' AND m.bucket >= :days_until
      AND m.bucket <= :now
), daily AS (
    SELECT b.series_id, s.unit, (b.bucket AT TIME ZONE 'UTC')::date AS day, max(b.value_max) AS highest
    FROM bucket b
    JOIN agent_series s ON s.id = b.series_id
    JOIN agent_devices d ON d.id = s.agent_device_id AND COALESCE(b.bucket > d.owned_since, true)
    WHERE b.value_max IS NOT NULL
    GROUP BY 1, 2, 3
), listed AS (
    SELECT series_id, unit, array_agg(day ORDER BY day) AS days, array_agg(highest ORDER BY day) AS highs
    FROM daily
    GROUP BY series_id, unit
)
INSERT INTO agent_series_forecasts AS f (series_id, newest, slope_per_day, days, since, computed_at)
SELECT l.series_id, g.newest, g.slope_per_day, g.day_count, g.since, :now
FROM listed l CROSS JOIN LATERAL alert_growth(l.days, l.highs, l.unit = 'percent') g
ON CONFLICT (series_id) DO UPDATE
SET newest = EXCLUDED.newest, slope_per_day = EXCLUDED.slope_per_day, days = EXCLUDED.days, since = EXCLUDED.since,
    computed_at = EXCLUDED.computed_at
WHERE f.computed_at <= EXCLUDED.computed_at

-- forget_forecasts --
-- Delete growth that this pass did not write.
DELETE FROM agent_series_forecasts WHERE computed_at < :now
