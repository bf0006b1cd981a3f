-- longest_interval --
-- The longest upload interval of the devices that may be evaluated, in seconds.
SELECT GREATEST(
    COALESCE((SELECT max(metrics_interval_seconds) FROM agent_devices WHERE is_active AND NOT soft_delete), 300),
    (SELECT max(seconds) FROM agent_device_intervals WHERE until_at IS NULL OR until_at > now() - interval '2 days'))

-- clock_shifts --
-- The lowest and the highest offset of wrong clocks, null if there is none.
SELECT min(clock_shift) AS lowest, max(clock_shift) AS highest
FROM agent_devices
WHERE clock_shift <> '0' AND is_active AND NOT soft_delete AND (:tenant::uuid IS NULL OR business_id = :tenant)

-- silence_results --
-- No sample (kind no_data) or no sign of life at all (offline) for a leaf's span. Silence of our own side is not
-- counted: :unsure_until is until when no device at all was heard, or the server was down, plus two intervals. A
-- device without any contact is not silent. :terms, :tenant, :unsure_until until when it is not counted (or
-- null), :now; :among the only devices (or null).
WITH silent AS (
    SELECT p.rule_id, p.leaf, p.device_id, p.span,
           CASE p.name WHEN 'offline' THEN GREATEST(d.last_heartbeat, d.last_metrics_received)
                       ELSE d.last_metrics_received END AS heard_at,
           :now::timestamptz < :unsure_until::timestamptz + 2 * p.every AS unsure
    FROM alert_pairs(:terms::jsonb, :tenant::uuid, :among::uuid[]) p
    JOIN agent_devices d ON d.id = p.device_id
), judged AS (
    SELECT s.*, CASE WHEN s.unsure THEN NULL ELSE COALESCE(s.heard_at < :now - s.span, false) END AS is_silent
    FROM silent s
)
SELECT j.rule_id, j.leaf, j.device_id, :now::timestamptz AS at, extract(epoch FROM :now - j.heard_at) / 60.0 AS value,
       extract(epoch FROM j.span) / 60.0 AS threshold, j.is_silent AS breached, j.is_silent AS begun,
       j.is_silent AS holding, NULL::text AS note
FROM judged j
WHERE j.is_silent OR EXISTS (SELECT FROM agent_alert_states s
                             WHERE s.agent_alert_id = j.rule_id AND s.agent_device_id = j.device_id)

-- past_silence_results --
-- Silence at instants of the past, by the samples that there are now: the gaps between them that are longer than a
-- leaf's span. Before :cut samples are buckets (:bucket wide), seen from one interval before their end (or their
-- beginning) and known when they are closed. A device without any contact is not silent. :terms, :tenant,
-- :instants in order, :cut, :bucket width of a bucket; :among the only devices (or null).
WITH pair AS MATERIALIZED (
    SELECT p.rule_id, p.leaf, p.device_id, p.span,
           p.every FROM alert_pairs(:terms::jsonb, :tenant::uuid, :among::uuid[]) p
), device AS MATERIALIZED (
    SELECT DISTINCT device_id, every FROM pair
), span AS MATERIALIZED (
    SELECT i.at[1] AS lowest, i.at[cardinality(i.at)] AS highest FROM (SELECT :instants::timestamptz[] AS at) i
), contact AS (
    SELECT d.device_id, m.bucket + GREATEST(:bucket::interval - d.every, interval '0') AS at,
           m.bucket + :bucket - interval '1 microsecond' AS known_at
    FROM device d
    JOIN agent_metrics_5m m ON m.agent_device_id = d.device_id
    WHERE m.bucket < :cut::timestamptz AND m.bucket > (SELECT lowest FROM span) - :bucket
      AND m.bucket <= (SELECT highest FROM span)
    UNION ALL
    SELECT d.device_id, before.bucket + GREATEST(:bucket - d.every, interval '0'), before.bucket
    FROM device d
    CROSS JOIN LATERAL (SELECT m.bucket FROM agent_metrics_5m m
                        WHERE m.agent_device_id = d.device_id AND m.bucket < :cut
                          AND m.bucket <= (SELECT lowest FROM span) - :bucket
                        ORDER BY m.bucket DESC LIMIT 1) before
    UNION ALL
    SELECT d.device_id, m.collected_at, m.collected_at
    FROM device d
    JOIN agent_metrics m ON m.agent_device_id = d.device_id
    WHERE m.collected_at >= :cut AND m.collected_at > (SELECT lowest FROM span)
      AND m.collected_at <= (SELECT highest FROM span)
    UNION ALL
    SELECT d.device_id, before.collected_at, before.collected_at
    FROM device d
    CROSS JOIN LATERAL (SELECT m.collected_at FROM agent_metrics m
                        WHERE m.agent_device_id = d.device_id AND m.collected_at >= :cut
                          AND m.collected_at <= (SELECT lowest FROM span)
                        ORDER BY m.collected_at DESC LIMIT 1) before
), gap AS (
    SELECT h.device_id, h.at AS from_at,
           COALESCE(lead(h.known_at) OVER (PARTITION BY h.device_id ORDER BY h.known_at), 'infinity') AS until_at
    FROM contact h
)
SELECT p.rule_id, p.leaf, p.device_id, i.at, extract(epoch FROM i.at - g.from_at) / 60.0 AS value,
       extract(epoch FROM p.span) / 60.0 AS threshold, true AS breached, true AS begun, true AS holding,
       NULL::text AS note
FROM gap g
JOIN pair p ON p.device_id = g.device_id AND g.from_at + p.span < g.until_at
JOIN unnest(:instants::timestamptz[]) AS i (at) ON i.at > g.from_at + p.span AND i.at < g.until_at

-- service_results --
-- Services that should be running and aren't, for a leaf's span. `*` is any of those that are there; a service that
-- is named is missed when the newest complete list does not have it. Names of Windows are case-insensitive. A device
-- whose lists are old gives no result for its services; a wrong clock is taken into account. :terms, :tenant,
-- :now; :among the only devices (or null).
WITH pair AS MATERIALIZED (
    SELECT p.rule_id, p.leaf, p.device_id, p.span, p.every,
           p.name FROM alert_pairs(:terms::jsonb, :tenant::uuid, :among::uuid[]) p
), device AS MATERIALIZED (
    SELECT d.id, d.os_type, :now::timestamptz + d.clock_shift AS at
    FROM agent_devices d WHERE d.id IN (SELECT p.device_id FROM pair p)
), service AS MATERIALIZED (
    SELECT s.agent_device_id, s.service_name, s.last_state_change, s.missing_since, d.at,
           CASE WHEN d.os_type = 'windows' THEN lower(s.service_name) ELSE s.service_name END AS key, d.os_type,
           s.should_be_running AND s.status <> 'running' AS is_down,
           max(GREATEST(s.last_checked, s.missing_since)) OVER (PARTITION BY s.agent_device_id) AS listed_at
    FROM agent_monitored_services s JOIN device d ON d.id = s.agent_device_id
), requested AS (
    SELECT p.rule_id, p.leaf, p.device_id, p.span, s.service_name, s.missing_since,
           s.listed_at >= s.at - (2.5 * p.every + interval '1 minute') AS is_fresh,
           s.is_down AND (p.name <> '*' OR s.missing_since IS NULL) AS is_down,
           s.last_state_change <= s.at - p.span AS is_long,
           s.is_down AND s.missing_since > s.last_state_change AND s.missing_since > s.at - interval '1 day' AS was_down
    FROM pair p
    JOIN service s ON s.agent_device_id = p.device_id
     AND (p.name = '*' OR s.key = CASE WHEN s.os_type = 'windows' THEN lower(p.name) ELSE p.name END)
), down AS (
    SELECT rule_id, leaf, device_id, span, bool_or(is_fresh) AS is_fresh,
           count(*) FILTER (WHERE is_down) AS stopped, count(*) FILTER (WHERE is_down AND is_long) AS stopped_long,
           string_agg(service_name || CASE WHEN missing_since IS NULL THEN '' ELSE ' (no longer installed)' END, ', '
                      ORDER BY service_name) FILTER (WHERE is_down) AS names,
           string_agg(service_name, ', ' ORDER BY missing_since DESC) FILTER (WHERE was_down) AS gone
    FROM requested
    GROUP BY rule_id, leaf, device_id, span
)
SELECT w.rule_id, w.leaf, w.device_id, :now::timestamptz AS at, w.stopped::double precision AS value,
       0::double precision AS threshold,
       CASE WHEN w.is_fresh THEN w.stopped_long > 0 END AS breached,
           CASE WHEN w.is_fresh THEN w.stopped > 0 END AS begun,
       CASE WHEN w.is_fresh THEN w.stopped > 0 END AS holding,
       left(COALESCE(w.names, 'no longer installed: ' || w.gone), 500) AS note
FROM down w
WHERE w.stopped > 0 OR EXISTS (SELECT FROM agent_alert_states s
                               WHERE s.agent_alert_id = w.rule_id AND s.agent_device_id = w.device_id)

-- forecast_results --
-- Metrics that reach a value within a leaf's span (days), as they have grown; `value` is in how many days. Growth
-- older than two days, or under a former owner, is not used. :terms, :tenant, :now; :among the only devices (or null).
WITH grown AS (
    SELECT p.rule_id, p.leaf, p.device_id, p.span, p.value_threshold AS reaches, f.newest, f.slope_per_day,
           f.computed_at > :now::timestamptz - interval '2 days' AS is_fresh,
           CASE WHEN f.newest >= p.value_threshold THEN 0
                WHEN f.slope_per_day > 0 THEN (p.value_threshold - f.newest) / f.slope_per_day END AS days_left
    FROM alert_pairs(:terms::jsonb, :tenant::uuid, :among::uuid[]) p
    JOIN agent_devices d ON d.id = p.device_id
    JOIN agent_forecasts f ON f.agent_device_id = p.device_id AND f.metric = p.name
     AND COALESCE(f.computed_at > d.owned_since, true)
), judged AS (
    SELECT g.*, CASE WHEN g.is_fresh
                     THEN COALESCE(g.days_left <= extract(epoch FROM g.span) / 86400.0, false) END AS is_near
    FROM grown g
)
SELECT j.rule_id, j.leaf, j.device_id, :now::timestamptz AS at, j.days_left AS value,
       (extract(epoch FROM j.span) / 86400.0)::double precision AS threshold, j.is_near AS breached, j.is_near AS begun,
       j.is_near AS holding,
       format('now %s, growing by %s a day', round(j.newest::numeric, 1), round(j.slope_per_day::numeric, 2)) AS note
FROM judged j
WHERE j.is_near OR EXISTS (SELECT FROM agent_alert_states s
                           WHERE s.agent_alert_id = j.rule_id AND s.agent_device_id = j.device_id)
