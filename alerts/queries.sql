-- Rules and their facts. Leaves are conditions as JSON; alert_pairs spreads them over the devices in their reach.

-- read_rules --
-- The rules that are in force. $1 one rule only (null: all).
SELECT id, alert_name, alert_type, severity, business_id, service_location_id, agent_device_id, device_type, conditions,
       keep_firing_minutes, active_hours, is_shadow, ticket_enabled, notification_enabled, notification_channels,
       notification_recipients
FROM agent_alerts
WHERE is_active AND NOT soft_delete AND ($1::uuid IS NULL OR id = $1)
ORDER BY id

-- longest_interval --
-- The longest interval between samples of a device that may be judged, in seconds.
SELECT COALESCE(max(metrics_interval_seconds), 300) FROM agent_devices WHERE is_active AND NOT soft_delete

-- silence_facts --
-- No sample (kind no_data) or no sign of life at all (offline) for a leaf's span. Silence that is our own says nothing:
-- $3 is until when nobody at all was heard, or we were away, and two intervals more. A device that was never heard isn't
-- silent. $1 leaves, $2 tenant, $3 until when it says nothing (or null), $4 now.
WITH silent AS (
    SELECT p.rule_id, p.leaf, p.device_id, p.span,
           CASE p.name WHEN 'offline' THEN GREATEST(d.last_heartbeat, d.last_metrics_received)
                       ELSE d.last_metrics_received END AS heard_at,
           $4::timestamptz < $3::timestamptz + 2 * p.every AS unsure
    FROM alert_pairs($1::jsonb, $2::uuid) p
    JOIN agent_devices d ON d.id = p.device_id
), judged AS (
    SELECT s.*, CASE WHEN s.unsure THEN NULL ELSE COALESCE(s.heard_at < $4 - s.span, false) END AS is_silent
    FROM silent s
)
SELECT j.rule_id, j.leaf, j.device_id, $4::timestamptz AS at, extract(epoch FROM $4 - j.heard_at) / 60.0 AS value,
       extract(epoch FROM j.span) / 60.0 AS threshold, j.is_silent AS breached, j.is_silent AS begun,
       j.is_silent AS holding, NULL::text AS note
FROM judged j
WHERE j.is_silent OR EXISTS (SELECT FROM agent_alert_states s
                             WHERE s.agent_alert_id = j.rule_id AND s.agent_device_id = j.device_id)

-- past_silence_facts --
-- Silence at instants of the past, by the samples that there are now: the gaps between them that are longer than a leaf's
-- span. Before $4 samples are buckets ($5 wide), seen from one interval before their end (or their beginning) and known
-- when they are closed. A device that was never heard isn't silent. $1 leaves, $2 tenant, $3 instants in order, $4 cut,
-- $5 width of a bucket.
WITH pair AS MATERIALIZED (
    SELECT p.rule_id, p.leaf, p.device_id, p.span, p.every FROM alert_pairs($1::jsonb, $2::uuid) p
), device AS MATERIALIZED (
    SELECT DISTINCT device_id, every FROM pair
), span AS MATERIALIZED (
    SELECT i.at[1] AS lowest, i.at[cardinality(i.at)] AS highest FROM (SELECT $3::timestamptz[] AS at) i
), heard AS (
    SELECT d.device_id, m.bucket + GREATEST($5::interval - d.every, interval '0') AS at,
           m.bucket + $5 - interval '1 microsecond' AS known_at
    FROM device d
    JOIN agent_metrics_5m m ON m.agent_device_id = d.device_id
    WHERE m.bucket < $4::timestamptz AND m.bucket > (SELECT lowest FROM span) - $5
      AND m.bucket <= (SELECT highest FROM span)
    UNION ALL
    SELECT d.device_id, before.bucket + GREATEST($5 - d.every, interval '0'), before.bucket
    FROM device d
    CROSS JOIN LATERAL (SELECT m.bucket FROM agent_metrics_5m m
                        WHERE m.agent_device_id = d.device_id AND m.bucket < $4
                          AND m.bucket <= (SELECT lowest FROM span) - $5
                        ORDER BY m.bucket DESC LIMIT 1) before
    UNION ALL
    SELECT d.device_id, m.collected_at, m.collected_at
    FROM device d
    JOIN agent_metrics m ON m.agent_device_id = d.device_id
    WHERE m.collected_at >= $4 AND m.collected_at > (SELECT lowest FROM span)
      AND m.collected_at <= (SELECT highest FROM span)
    UNION ALL
    SELECT d.device_id, before.collected_at, before.collected_at
    FROM device d
    CROSS JOIN LATERAL (SELECT m.collected_at FROM agent_metrics m
                        WHERE m.agent_device_id = d.device_id AND m.collected_at >= $4
                          AND m.collected_at <= (SELECT lowest FROM span)
                        ORDER BY m.collected_at DESC LIMIT 1) before
), gap AS (
    SELECT h.device_id, h.at AS from_at,
           COALESCE(lead(h.known_at) OVER (PARTITION BY h.device_id ORDER BY h.known_at), 'infinity') AS until_at
    FROM heard h
)
SELECT p.rule_id, p.leaf, p.device_id, i.at, extract(epoch FROM i.at - g.from_at) / 60.0 AS value,
       extract(epoch FROM p.span) / 60.0 AS threshold, true AS breached, true AS begun, true AS holding,
       NULL::text AS note
FROM gap g
JOIN pair p ON p.device_id = g.device_id AND g.from_at + p.span < g.until_at
JOIN unnest($3::timestamptz[]) AS i (at) ON i.at > g.from_at + p.span AND i.at < g.until_at

-- service_facts --
-- Services that should be running and aren't, for a leaf's span; `*` is any. A device whose samples are old says nothing
-- of its services. $1 leaves, $2 tenant, $3 now.
WITH down AS (
    SELECT p.rule_id, p.leaf, p.device_id, p.span,
           max(s.last_checked) >= $3::timestamptz - (2.5 * p.every + interval '1 minute') AS is_fresh,
           count(*) FILTER (WHERE s.should_be_running AND s.status <> 'running') AS stopped,
           count(*) FILTER (WHERE s.should_be_running AND s.status <> 'running'
                              AND s.last_state_change <= $3 - p.span) AS stopped_long,
           string_agg(s.service_name, ', ' ORDER BY s.service_name)
               FILTER (WHERE s.should_be_running AND s.status <> 'running') AS names
    FROM alert_pairs($1::jsonb, $2::uuid) p
    JOIN agent_monitored_services s ON s.agent_device_id = p.device_id AND (p.name = '*' OR s.service_name = p.name)
    GROUP BY p.rule_id, p.leaf, p.device_id, p.span, p.every
)
SELECT w.rule_id, w.leaf, w.device_id, $3::timestamptz AS at, w.stopped::double precision AS value,
       0::double precision AS threshold,
       CASE WHEN w.is_fresh THEN w.stopped_long > 0 END AS breached, CASE WHEN w.is_fresh THEN w.stopped > 0 END AS begun,
       CASE WHEN w.is_fresh THEN w.stopped > 0 END AS holding, left(w.names, 500) AS note
FROM down w
WHERE w.stopped > 0 OR EXISTS (SELECT FROM agent_alert_states s
                               WHERE s.agent_alert_id = w.rule_id AND s.agent_device_id = w.device_id)

-- forecast_facts --
-- Metrics that reach a value within a leaf's span (days), as they have grown; `value` is in how many days. Growth older
-- than two days says nothing. $1 leaves, $2 tenant, $3 now.
WITH grown AS (
    SELECT p.rule_id, p.leaf, p.device_id, p.span, p.value_threshold AS reaches, f.newest, f.slope_per_day,
           f.computed_at > $3::timestamptz - interval '2 days' AS is_fresh,
           CASE WHEN f.newest >= p.value_threshold THEN 0
                WHEN f.slope_per_day > 0 THEN (p.value_threshold - f.newest) / f.slope_per_day END AS days_left
    FROM alert_pairs($1::jsonb, $2::uuid) p
    JOIN agent_forecasts f ON f.agent_device_id = p.device_id AND f.metric = p.name
), judged AS (
    SELECT g.*, CASE WHEN g.is_fresh
                     THEN COALESCE(g.days_left <= extract(epoch FROM g.span) / 86400.0, false) END AS is_near
    FROM grown g
)
SELECT j.rule_id, j.leaf, j.device_id, $3::timestamptz AS at, j.days_left AS value,
       (extract(epoch FROM j.span) / 86400.0)::double precision AS threshold, j.is_near AS breached, j.is_near AS begun,
       j.is_near AS holding,
       format('now %s, growing by %s a day', round(j.newest::numeric, 1), round(j.slope_per_day::numeric, 2)) AS note
FROM judged j
WHERE j.is_near OR EXISTS (SELECT FROM agent_alert_states s
                           WHERE s.agent_alert_id = j.rule_id AND s.agent_device_id = j.device_id)

-- begin_pass --
-- Take the turn for an evaluation of $1, unless another worker has it or that instant has been evaluated; then no row.
-- After $2 without an evaluation we were away: `resumed_at` is when we came back. Returns until when silence is our own.
WITH turn AS (
    SELECT p.one, p.at
    FROM agent_alert_passes p
    WHERE pg_try_advisory_xact_lock(hashtext('rts-agents alert pass')) AND (p.at IS NULL OR p.at < $1::timestamptz)
    FOR UPDATE
), begun AS (
    UPDATE agent_alert_passes p
    SET at = $1, resumed_at = CASE WHEN t.at < $1 - $2::interval THEN $1 ELSE p.resumed_at END
    FROM turn t
    WHERE p.one = t.one
    RETURNING p.resumed_at
)
SELECT GREATEST(b.resumed_at, (SELECT deaf_until FROM agent_presence)) AS unsure_until
FROM begun b

-- plan_for_fleets --
-- For this transaction: pairs of rules and devices are joined in memory, and by hashing. The planner can't know how many
-- pairs there will be, and a nested loop over ten thousand times ten thousand is what it would choose for ten. Chunks are
-- left out by the constant bounds when a statement is planned; to look again for each device takes longer than its scan.
SELECT set_config('work_mem', '64MB', true), set_config('enable_nestloop', 'off', true),
       set_config('timescaledb.enable_runtime_exclusion', 'off', true)

-- end_pass --
-- Note what a pass took. $1 seconds, $2 statements, $3 rules, $4 changes.
UPDATE agent_alert_passes SET seconds = $1, statements = $2, rules = $3, changed = $4

-- read_states --
-- Where rules stand; $1 rules.
SELECT agent_alert_id, agent_device_id, state, since, history_id
FROM agent_alert_states
WHERE agent_alert_id = ANY ($1::uuid[])

-- describe_devices --
-- Names and places of devices, for messages and tickets. $1 devices.
SELECT d.id, d.device_name, d.business_id, d.service_location_id, d.device_type
FROM agent_devices d
WHERE d.id = ANY ($1::uuid[])

-- note_rule_error --
-- Say of a rule that it can't be evaluated; $1 rule, $2 message, $3 now.
UPDATE agent_alerts SET error_message = $2, error_at = $3
WHERE id = $1 AND (error_message IS DISTINCT FROM $2)

-- write_transitions --
-- $1 rules, $2 devices, $3 from, $4 to, $5 reasons, $6 values, $7 thresholds, $8 shadow, $9 now.
INSERT INTO agent_alert_transitions
    (agent_alert_id, agent_device_id, from_state, to_state, reason, value, threshold, is_shadow, at)
SELECT t.*, $9::timestamptz
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::float8[], $7::float8[], $8::boolean[]) AS t

-- write_states --
-- States that are not inactive; one that a later evaluation wrote stays. $1 rules, $2 devices, $3 states, $4 since,
-- $5 reasons, $6 values, $7 now.
INSERT INTO agent_alert_states AS s (agent_alert_id, agent_device_id, state, since, reason, value, evaluated_at)
SELECT t.*, $7::timestamptz
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::timestamptz[], $5::text[], $6::float8[]) AS t
ON CONFLICT (agent_alert_id, agent_device_id) DO UPDATE
SET state = EXCLUDED.state, since = EXCLUDED.since, reason = EXCLUDED.reason, value = EXCLUDED.value,
    evaluated_at = EXCLUDED.evaluated_at
WHERE s.evaluated_at < EXCLUDED.evaluated_at

-- drop_states --
-- What is inactive needs no row. $1 rules, $2 devices.
DELETE FROM agent_alert_states s
USING unnest($1::uuid[], $2::uuid[]) AS t (rule_id, device_id)
WHERE s.agent_alert_id = t.rule_id AND s.agent_device_id = t.device_id

-- open_alerts --
-- An alert for each rule that begins to fire on a device; one that is open already stays the only one. $1 rules,
-- $2 devices, $3 severities, $4 messages, $5 values, $6 thresholds, $7 now.
WITH fired AS (
    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::float8[], $6::float8[])
        AS t (rule_id, device_id, severity, message, value, threshold)
), opened AS (
    INSERT INTO agent_alert_history
        (agent_alert_id, agent_device_id, triggered_at, severity, alert_message, metric_value, threshold_value)
    SELECT rule_id, device_id, $7::timestamptz, severity, message, value, threshold FROM fired
    ON CONFLICT (agent_alert_id, agent_device_id) WHERE status IN ('active', 'acknowledged') DO NOTHING
    RETURNING id, agent_alert_id, agent_device_id
), counted AS (
    UPDATE agent_alerts a
    SET last_triggered = $7, trigger_count = a.trigger_count + o.times
    FROM (SELECT agent_alert_id, count(*)::integer AS times FROM opened GROUP BY agent_alert_id) o
    WHERE a.id = o.agent_alert_id
), told AS (
    INSERT INTO agent_events (agent_device_id, event_type, occurred_at, received_at, data)
    SELECT o.agent_device_id, 'alert_firing', $7, $7,
           jsonb_build_object('alert_id', o.id, 'severity', f.severity, 'message', f.message)
    FROM opened o JOIN fired f ON f.rule_id = o.agent_alert_id AND f.device_id = o.agent_device_id
)
SELECT id, agent_alert_id, agent_device_id, (SELECT count(pg_notify('rts_live', 'devices')::text)
                                             FROM (SELECT FROM opened LIMIT 1) one) AS woken
FROM opened

-- resolve_alerts --
-- Close the open alerts of rules on devices that are well again. $1 rules, $2 devices, $3 now, $4 reasons.
WITH well AS (
    SELECT * FROM unnest($1::uuid[], $2::uuid[], $4::text[]) AS t (rule_id, device_id, reason)
), resolved AS (
    UPDATE agent_alert_history h
    SET status = 'auto_resolved', resolved_at = $3::timestamptz, resolution_notes = COALESCE(h.resolution_notes, w.reason)
    FROM well w
    WHERE h.agent_alert_id = w.rule_id AND h.agent_device_id = w.device_id AND h.status IN ('active', 'acknowledged')
    RETURNING h.id, h.agent_alert_id, h.agent_device_id, h.severity, h.alert_message
), told AS (
    INSERT INTO agent_events (agent_device_id, event_type, occurred_at, received_at, data)
    SELECT agent_device_id, 'alert_resolved', $3, $3,
           jsonb_build_object('alert_id', id, 'severity', severity, 'message', alert_message)
    FROM resolved
)
SELECT id, agent_alert_id, agent_device_id, (SELECT count(pg_notify('rts_live', 'devices')::text)
                                             FROM (SELECT FROM resolved LIMIT 1) one) AS woken
FROM resolved

-- read_windows --
-- Maintenance windows that may be running; $1 now.
SELECT id, starts_at, ends_at, weekdays, local_start, duration_minutes, time_zone
FROM agent_maintenance_windows
WHERE weekdays IS NOT NULL OR (starts_at <= $1 AND ends_at > $1)

-- muted_devices --
-- The devices in these maintenance windows; $1 windows.
SELECT DISTINCT d.id
FROM agent_maintenance_windows w
JOIN agent_devices d
  ON (w.agent_device_id IS NULL OR d.id = w.agent_device_id)
 AND (w.service_location_id IS NULL OR d.service_location_id = w.service_location_id)
 AND (w.business_id IS NULL OR d.business_id = w.business_id)
WHERE w.id = ANY ($1::uuid[])
