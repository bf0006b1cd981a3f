-- States and alerts of rules that an evaluation skips. Most passes change nothing here.

-- forget_errors --
-- Clear the error of active rules that can be read again; a change over HTTP has cleared it already. :rules that
-- cannot be read.
UPDATE agent_alerts
SET error_message = NULL, error_at = NULL
WHERE error_message IS NOT NULL AND is_active AND NOT soft_delete AND id <> ALL (:rules::uuid[])

-- devices_left --
-- Devices on which a rule of :rules, or one that is not active, has a state or an open alert, without :postponed.
SELECT s.agent_device_id AS id
FROM agent_alert_states s JOIN agent_alerts a ON a.id = s.agent_alert_id
WHERE (a.soft_delete OR NOT a.is_active OR a.id = ANY (:rules::uuid[])) AND s.agent_device_id <> ALL (:postponed::uuid[])
UNION
SELECT h.agent_device_id
FROM agent_alert_history h JOIN agent_alerts a ON a.id = h.agent_alert_id
WHERE (a.soft_delete OR NOT a.is_active) AND h.status IN ('active', 'acknowledged')
  AND h.agent_device_id <> ALL (:postponed)

-- hold_faulty --
-- The states of rules that cannot be read: error where there is an alert, deleted where they were only pending.
-- :rules, :reasons (in parallel), :now, :only these devices (null: all).
WITH unevaluable AS (
    SELECT s.agent_alert_id, s.agent_device_id, s.instance, s.state, s.value, f.reason, a.is_shadow,
           CASE s.state WHEN 'pending' THEN 'inactive' ELSE 'error' END AS becomes
    FROM unnest(:rules::uuid[], :reasons::text[]) AS f (rule_id, reason)
    JOIN agent_alerts a ON a.id = f.rule_id
    JOIN agent_alert_states s ON s.agent_alert_id = f.rule_id AND s.state <> 'error'
    WHERE :only::uuid[] IS NULL OR s.agent_device_id = ANY (:only)
), failed AS (
    UPDATE agent_alert_states s
    SET state = 'error', since = :now::timestamptz, reason = l.reason, evaluated_at = :now
    FROM unevaluable l
    WHERE s.agent_alert_id = l.agent_alert_id AND s.agent_device_id = l.agent_device_id AND s.instance = l.instance
      AND l.becomes = 'error'
), dropped AS (
    DELETE FROM agent_alert_states s
    USING unevaluable l
    WHERE s.agent_alert_id = l.agent_alert_id AND s.agent_device_id = l.agent_device_id AND s.instance = l.instance
      AND l.becomes = 'inactive'
)
INSERT INTO agent_alert_transitions
    (agent_alert_id, agent_device_id, instance, at, from_state, to_state, reason, value, is_shadow)
SELECT agent_alert_id, agent_device_id, instance, :now, state, becomes, reason, value, is_shadow
FROM unevaluable

-- end_out_of_force --
-- Delete the states of rules that are not active, and end their open alerts: another program disabled or deleted them
-- in the table. Returns those alerts. :now, :only these devices (null: all).
WITH out_of_force AS (
    SELECT id, is_shadow, CASE WHEN soft_delete THEN 'The rule was deleted.' ELSE 'The rule was disabled.' END AS note
    FROM agent_alerts
    WHERE soft_delete OR NOT is_active
), dropped AS (
    DELETE FROM agent_alert_states s
    USING out_of_force g
    WHERE s.agent_alert_id = g.id AND (:only::uuid[] IS NULL OR s.agent_device_id = ANY (:only))
    RETURNING s.agent_alert_id, s.agent_device_id, s.instance, s.state, s.value, g.note, g.is_shadow
), transitions AS (
    INSERT INTO agent_alert_transitions
        (agent_alert_id, agent_device_id, instance, at, from_state, to_state, reason, value, is_shadow)
    SELECT agent_alert_id, agent_device_id, instance, :now::timestamptz, state, 'inactive', note, value,
           is_shadow FROM dropped
), ended AS (
    UPDATE agent_alert_history h
    SET status = 'auto_resolved', resolved_at = :now, resolution_notes = COALESCE(h.resolution_notes, g.note)
    FROM out_of_force g
    WHERE h.agent_alert_id = g.id AND h.status IN ('active', 'acknowledged')
      AND (:only::uuid[] IS NULL OR h.agent_device_id = ANY (:only))
    RETURNING h.id, h.agent_device_id, h.severity, h.alert_message, h.former_owner
), events AS (
    INSERT INTO agent_events (agent_device_id, event_type, occurred_at, received_at, data, former_owner)
    SELECT agent_device_id, 'alert_resolved', :now, :now,
           jsonb_build_object('alert_id', id, 'severity', severity, 'message', alert_message), former_owner
    FROM ended
)
SELECT id
FROM ended
