-- write_transitions --
INSERT INTO agent_alert_transitions
    (agent_alert_id, agent_device_id, instance, from_state, to_state, reason, value, threshold, is_shadow, at)
SELECT t.*, :now::timestamptz
FROM unnest(:rules::uuid[], :devices::uuid[], :instances::text[], :from_states::text[], :to_states::text[],
            :reasons::text[], :values::float8[], :thresholds::float8[],
            :shadow::boolean[]) AS t

-- write_states --
-- Store states other than inactive; a state that a later evaluation wrote stays.
INSERT INTO agent_alert_states AS s
    (agent_alert_id, agent_device_id, instance, state, since, reason, value, evaluated_at)
SELECT t.*, :now::timestamptz
FROM unnest(:rules::uuid[], :devices::uuid[], :instances::text[], :states::text[], :since::timestamptz[],
            :reasons::text[], :values::float8[]) AS t
ON CONFLICT (agent_alert_id, agent_device_id, instance) DO UPDATE
SET state = EXCLUDED.state, since = EXCLUDED.since, reason = EXCLUDED.reason, value = EXCLUDED.value,
    evaluated_at = EXCLUDED.evaluated_at
WHERE s.evaluated_at < EXCLUDED.evaluated_at

-- drop_states --
-- Delete the rows of inactive states.
DELETE FROM agent_alert_states s
USING unnest(:rules::uuid[], :devices::uuid[], :instances::text[]) AS t (rule_id, device_id, instance)
WHERE s.agent_alert_id = t.rule_id AND s.agent_device_id = t.device_id AND s.instance = t.instance

-- describe_devices --
-- Names and places of devices, for messages and tickets.
SELECT d.id, d.device_name, d.business_id, d.service_location_id, d.device_type
FROM agent_devices d
WHERE d.id = ANY (:devices::uuid[])

-- open_alerts --
-- An alert for each rule that begins to fire on a device; one that is open already stays the only one.
WITH fired AS (
    SELECT * FROM unnest(:rules::uuid[], :devices::uuid[], :instances::text[], :severities::text[], :messages::text[],
                         :values::float8[], :thresholds::float8[])
        AS t (rule_id, device_id, instance, severity, message, value, threshold)
), opened AS (
    INSERT INTO agent_alert_history
        (agent_alert_id, agent_device_id, instance, triggered_at, severity, alert_message, metric_value,
         threshold_value)
    SELECT rule_id, device_id, instance, :now::timestamptz, severity, message, value, threshold FROM fired
    ON CONFLICT (agent_alert_id, agent_device_id, instance) WHERE status IN ('active', 'acknowledged') DO NOTHING
    RETURNING id, agent_alert_id, agent_device_id, instance
), counted AS (
    UPDATE agent_alerts a
    SET last_triggered = :now, trigger_count = a.trigger_count + o.times
    FROM (SELECT agent_alert_id, count(*)::integer AS times FROM opened GROUP BY agent_alert_id) o
    WHERE a.id = o.agent_alert_id
), events AS (
    INSERT INTO agent_events (agent_device_id, event_type, occurred_at, received_at, data)
    SELECT o.agent_device_id, 'alert_firing', :now, :now,
           jsonb_build_object('alert_id', o.id, 'severity', f.severity, 'message', f.message)
    FROM opened o JOIN fired f ON f.rule_id = o.agent_alert_id AND f.device_id = o.agent_device_id
                             AND f.instance = o.instance
)
SELECT id, agent_alert_id, agent_device_id, instance
FROM opened

-- resolve_alerts --
-- Close the open alerts of rules on devices that have recovered.
WITH well AS (
    SELECT * FROM unnest(:rules::uuid[], :devices::uuid[], :instances::text[], :reasons::text[], :values::float8[])
        AS t (rule_id, device_id, instance, reason, value)
), resolved AS (
    UPDATE agent_alert_history h
    SET status = 'auto_resolved', resolved_at = :now::timestamptz, resolved_value = w.value,
        resolution_notes = COALESCE(h.resolution_notes, w.reason)
    FROM well w
    WHERE h.agent_alert_id = w.rule_id AND h.agent_device_id = w.device_id AND h.instance = w.instance
      AND h.status IN ('active', 'acknowledged')
    RETURNING h.id, h.agent_alert_id, h.agent_device_id, h.severity, h.alert_message, h.former_owner
), events AS (
    INSERT INTO agent_events (agent_device_id, event_type, occurred_at, received_at, data, former_owner)
    SELECT agent_device_id, 'alert_resolved', :now, :now,
           jsonb_build_object('alert_id', id, 'severity', severity, 'message', alert_message), former_owner
    FROM resolved
)
SELECT id, agent_alert_id, agent_device_id
FROM resolved
