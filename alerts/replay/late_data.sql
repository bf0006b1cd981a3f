-- Breaches in late data.

-- late_devices --
-- Devices whose late samples are not evaluated yet, the oldest upload first. Devices whose clock is behind are not
-- late: each evaluation uses their own time. :limit, :postponed devices that are left out now.
SELECT d.id
FROM agent_devices d
LEFT JOIN agent_alert_late_looks l ON l.agent_device_id = d.id
WHERE d.late_at > COALESCE(l.looked_at, '-infinity')
  AND d.is_active AND NOT d.soft_delete AND d.monitoring_enabled AND d.alerts_enabled AND d.id <> ALL (:postponed::uuid[])
  AND d.clock_shift = '0'
ORDER BY d.late_at
LIMIT :limit

-- claim_late --
-- Claim a device, unless another worker has; returns its scope and the range of the samples that were late by :max_lag
-- and arrived since the last look; a minute more, for uploads that were committed out of order. The first look reaches
-- back a day. What arrived until the device's clock was right again is left out: it was evaluated when it arrived, and
-- its times are wrong. So is what was measured under a former owner.
WITH before AS (
    SELECT looked_at FROM agent_alert_late_looks WHERE agent_device_id = :device_id
), claimed AS (
    INSERT INTO agent_alert_late_looks AS l (agent_device_id, looked_at)
    SELECT d.id, d.late_at FROM agent_devices d WHERE d.id = :device_id
    ON CONFLICT (agent_device_id) DO UPDATE SET looked_at = EXCLUDED.looked_at WHERE l.looked_at < EXCLUDED.looked_at
    RETURNING agent_device_id
)
SELECT d.id, d.business_id, d.service_location_id, d.device_type,
       d.metrics_interval_seconds * interval '1 second' AS every, late.first, late.last
FROM claimed c
JOIN agent_devices d ON d.id = c.agent_device_id
CROSS JOIN LATERAL (
    SELECT min(m.collected_at) AS first, max(m.collected_at) AS last
    FROM agent_metrics m
    WHERE m.agent_device_id = d.id AND m.collected_at >= LEAST(d.late_from, d.late_before)
      AND m.received_at > COALESCE((SELECT looked_at FROM before), d.late_at - interval '1 day') - interval '1 minute'
      AND m.collected_at < m.received_at - :max_lag::interval AND COALESCE(m.collected_at > d.owned_since, true)
      AND m.received_at > COALESCE((SELECT max(e.received_at) FROM agent_events e
                                    WHERE e.agent_device_id = d.id AND e.event_type = 'clock_right'), '-infinity')
) late

-- record_found --
-- Alerts that have ended, each with its course and an event; none where there was an alert meanwhile, or before the
-- rule was made. They open no ticket and send no message. :device_id; in parallel :rules, :instances (''
-- for the device itself), :begins, :ends, :severities, :messages, :values, :thresholds; :now.
WITH late_breach AS (
    SELECT f.*
    FROM unnest(:rules::uuid[], :instances::text[], :begins::timestamptz[], :ends::timestamptz[], :severities::text[],
                :messages::text[], :values::float8[], :thresholds::float8[])
        AS f (rule_id, instance, began, ended, severity, message, value, threshold)
    JOIN agent_alerts a ON a.id = f.rule_id AND a.created_at <= f.began
    WHERE NOT EXISTS (SELECT FROM agent_alert_history h
                      WHERE h.agent_alert_id = f.rule_id AND h.agent_device_id = :device_id
                        AND h.instance = f.instance AND h.triggered_at < f.ended
                        AND COALESCE(h.resolved_at, 'infinity') > f.began)
), recorded AS (
    INSERT INTO agent_alert_history
        (agent_alert_id, agent_device_id, instance, triggered_at, resolved_at, severity, alert_message, metric_value,
         threshold_value, status, resolution_notes, ticket_note)
    SELECT rule_id, :device_id, instance, began, ended, severity, message, value, threshold, 'auto_resolved',
           'Found late: its samples came when it was over.', 'No ticket: it was over when it was found.'
    FROM late_breach
    RETURNING id, agent_alert_id, triggered_at, resolved_at, severity, alert_message
), transitions AS (
    INSERT INTO agent_alert_transitions
        (agent_alert_id, agent_device_id, instance, at, from_state, to_state, reason, value, threshold)
    SELECT f.rule_id, :device_id, f.instance, t.at, t.before, t.after, 'found late', f.value, f.threshold
    FROM late_breach f
    CROSS JOIN LATERAL (VALUES (f.began, 'inactive', 'firing'), (f.ended, 'firing', 'inactive')) t (at, before, after)
), events AS (
    INSERT INTO agent_events (agent_device_id, event_type, occurred_at, received_at, data)
    SELECT :device_id, 'alert_found_late', triggered_at, :now::timestamptz,
           jsonb_build_object('alert_id', id, 'severity', severity, 'message', alert_message, 'until', resolved_at)
    FROM recorded
)
SELECT id
FROM recorded
