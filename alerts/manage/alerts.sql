-- Alerts as people read and handle them. Shadow rules open none.

-- device_alerts --
-- A device's alerts, newest first. :device_id, :tenant, :statuses (or null), :after_time and :after_id time and id of
-- the last one of the page before, :limit.
SELECT h.id
FROM agent_devices d
JOIN agent_alert_history h ON h.agent_device_id = d.id
WHERE d.id = :device_id AND NOT d.soft_delete
  AND (:tenant::uuid IS NULL OR (d.business_id = :tenant AND h.former_owner IS NULL))
  AND (:statuses::text[] IS NULL OR h.status = ANY (:statuses))
  AND (:after_time::timestamptz IS NULL OR (h.triggered_at, h.id) < (:after_time, :after_id::uuid))
ORDER BY h.triggered_at DESC, h.id DESC
LIMIT :limit

-- open_alerts --
-- Open alerts, the worst first, then the newest. :tenant, :business_id, :severities (or null), :after_rank to
-- :after_id rank, time and id of the last one of the page before, :limit.
SELECT h.id
FROM agent_alert_history h
JOIN agent_devices d ON d.id = h.agent_device_id
CROSS JOIN LATERAL (SELECT array_position(ARRAY['info', 'warning', 'critical'], h.severity) AS rank) r
WHERE h.status IN ('active', 'acknowledged') AND NOT d.soft_delete
  AND (:tenant::uuid IS NULL OR (d.business_id = :tenant AND h.former_owner IS NULL))
  AND (:business_id::uuid IS NULL OR d.business_id = :business_id)
  AND (:severities::text[] IS NULL OR h.severity = ANY (:severities))
  AND (:after_rank::integer IS NULL OR (r.rank, h.triggered_at,
                                        h.id) < (:after_rank, :after_time::timestamptz, :after_id::uuid))
ORDER BY r.rank DESC, h.triggered_at DESC, h.id DESC
LIMIT :limit

-- show_alerts --
-- Alerts as people read them, in the order of their ids.
SELECT h.id, a.id AS rule_id, a.alert_name, a.alert_type, h.severity, h.status, h.triggered_at, h.resolved_at,
       h.resolved_value, CASE WHEN h.status IN ('active', 'acknowledged') THEN s.state END AS state, h.alert_message,
       h.metric_value, h.threshold_value, h.service_request_created, h.acknowledged_at, h.snoozed_until,
       h.acknowledged_by, h.acknowledged_by_name, h.resolved_by, h.resolved_by_name, h.resolution_notes,
       h.ticket_note, h.acknowledgement_note, a.conditions ->> 'metric' AS metric, h.instance,
       a.conditions,
       -- It had ended when late samples showed it; such an alert was never open.
       h.status = 'auto_resolved' AND EXISTS (
           SELECT FROM agent_alert_transitions t
           WHERE t.agent_device_id = h.agent_device_id AND t.at = h.triggered_at
             AND t.agent_alert_id = h.agent_alert_id AND t.instance = h.instance
             AND t.reason = 'found late') AS found_late,
       (SELECT to_jsonb(r) ->> 'request_number' FROM service_requests r WHERE r.id = h.service_request_created)
           AS ticket_number,
       d.id AS agent_id,
       d.device_name, d.business_id, b.business_name,
       array_position(ARRAY['info', 'warning', 'critical'], h.severity) AS rank
FROM unnest(:alerts::uuid[]) WITH ORDINALITY AS f (id, number)
JOIN agent_alert_history h ON h.id = f.id
JOIN agent_devices d ON d.id = h.agent_device_id
JOIN businesses b ON b.id = d.business_id
JOIN agent_alerts a ON a.id = h.agent_alert_id
LEFT JOIN agent_alert_states s ON s.agent_alert_id = h.agent_alert_id AND s.agent_device_id = h.agent_device_id
                               AND s.instance = h.instance
WHERE (:tenant::uuid IS NULL OR (d.business_id = :tenant AND h.former_owner IS NULL))
ORDER BY f.number

-- acknowledge --
-- Record who handles an alert; for an acknowledged one nothing changes and no audit row is written. Returns its
-- status before. :alert_id, :now, :actor_kind, :actor_id, :actor_source, :note (or null).
WITH before AS (
    SELECT h.id, h.status
    FROM agent_alert_history h JOIN agent_devices d ON d.id = h.agent_device_id
    WHERE h.id = :alert_id AND NOT d.soft_delete
    FOR NO KEY UPDATE OF h
), changed AS (
    UPDATE agent_alert_history h
    SET status = 'acknowledged', acknowledged_by = :actor_id, acknowledged_at = :now, acknowledgement_note = :note::text
    FROM before b
    WHERE h.id = b.id AND b.status = 'active'
    RETURNING h.id, h.agent_device_id, h.agent_alert_id, h.severity, h.alert_message, h.former_owner
), events AS (
    INSERT INTO agent_events (agent_device_id, event_type, occurred_at, received_at, data, former_owner)
    SELECT agent_device_id, 'alert_acknowledged', :now, :now,
           jsonb_build_object('alert_id', id, 'severity', severity, 'message', alert_message), former_owner
    FROM changed
), audited AS (
    {audit}
    SELECT :now, {actor}, 'alert_acknowledged', agent_device_id,
           jsonb_build_object('alert_id', id, 'rule_id', agent_alert_id)
    FROM changed
)
SELECT status FROM before

-- resolve --
-- End an alert by hand; the state of its rule stays, so that it does not fire again before the device has recovered.
-- Returns its status before. :alert_id, :now, :actor_kind, :actor_id, :actor_source, :notes (or null).
WITH before AS (
    SELECT h.id, h.status
    FROM agent_alert_history h JOIN agent_devices d ON d.id = h.agent_device_id
    WHERE h.id = :alert_id AND NOT d.soft_delete
    FOR NO KEY UPDATE OF h
), ended AS (
    UPDATE agent_alert_history h
    SET status = 'resolved', resolved_at = :now, resolved_by = :actor_id, resolution_notes = :notes
    FROM before b
    WHERE h.id = b.id AND b.status IN ('active', 'acknowledged')
    RETURNING h.id, h.agent_device_id, h.agent_alert_id, h.severity, h.alert_message, h.former_owner
), events AS (
    INSERT INTO agent_events (agent_device_id, event_type, occurred_at, received_at, data, former_owner)
    SELECT agent_device_id, 'alert_resolved', :now, :now,
           jsonb_build_object('alert_id', id, 'severity', severity, 'message', alert_message), former_owner
    FROM ended
), audited AS (
    {audit}
    SELECT :now, {actor}, 'alert_resolved', agent_device_id,
           jsonb_build_object('alert_id', id, 'rule_id', agent_alert_id, 'notes', :notes::text)
    FROM ended
)
SELECT status FROM before

-- snooze --
-- Keep an open alert quiet until a time. Returns its status. :alert_id, :now, :actor_kind, :actor_id, :actor_source,
-- :until (null: no longer).
WITH before AS (
    SELECT h.id, h.status
    FROM agent_alert_history h JOIN agent_devices d ON d.id = h.agent_device_id
    WHERE h.id = :alert_id AND NOT d.soft_delete
    FOR NO KEY UPDATE OF h
), changed AS (
    UPDATE agent_alert_history h
    SET snoozed_until = :until::timestamptz
    FROM before b
    WHERE h.id = b.id AND b.status IN ('active', 'acknowledged')
    RETURNING h.id, h.agent_device_id, h.agent_alert_id, h.severity, h.alert_message, h.snoozed_until, h.former_owner
), events AS (
    INSERT INTO agent_events (agent_device_id, event_type, occurred_at, received_at, data, former_owner)
    SELECT agent_device_id, 'alert_snoozed', :now, :now,
           jsonb_build_object('alert_id', id, 'severity', severity, 'message', alert_message, 'until', snoozed_until),
           former_owner
    FROM changed
), audited AS (
    {audit}
    SELECT :now, {actor}, 'alert_snoozed', agent_device_id,
           jsonb_build_object('alert_id', id, 'rule_id', agent_alert_id, 'until', :until)
    FROM changed
)
SELECT status FROM before
