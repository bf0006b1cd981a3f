-- Alerts as people read and handle them. Shadow rules open none.

-- device_alerts --
-- A device's alerts, newest first. $1 device, $2 tenant, $3 statuses (or null), $4 and $5 time and id of the last one of
-- the page before, $6 rows.
SELECT h.id
FROM agent_devices d
JOIN agent_alert_history h ON h.agent_device_id = d.id
WHERE d.id = $1 AND NOT d.soft_delete AND ($2::uuid IS NULL OR (d.business_id = $2 AND h.former_owner IS NULL))
  AND ($3::text[] IS NULL OR h.status = ANY ($3))
  AND ($4::timestamptz IS NULL OR (h.triggered_at, h.id) < ($4, $5::uuid))
ORDER BY h.triggered_at DESC, h.id DESC
LIMIT $6

-- open_alerts --
-- Open alerts, the worst first, then the newest. $1 tenant, $2 business, $3 severities (or null), $4 to $6 rank, time and
-- id of the last one of the page before, $7 rows.
SELECT h.id
FROM agent_alert_history h
JOIN agent_devices d ON d.id = h.agent_device_id
CROSS JOIN LATERAL (SELECT array_position(ARRAY['info', 'warning', 'critical'], h.severity) AS rank) r
WHERE h.status IN ('active', 'acknowledged') AND NOT d.soft_delete
  AND ($1::uuid IS NULL OR (d.business_id = $1 AND h.former_owner IS NULL))
  AND ($2::uuid IS NULL OR d.business_id = $2)
  AND ($3::text[] IS NULL OR h.severity = ANY ($3))
  AND ($4::integer IS NULL OR (r.rank, h.triggered_at, h.id) < ($4, $5::timestamptz, $6::uuid))
ORDER BY r.rank DESC, h.triggered_at DESC, h.id DESC
LIMIT $7

-- show_alerts --
-- Alerts as people read them, in the order of their ids. $1 alerts, $2 tenant.
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
             AND t.agent_alert_id = h.agent_alert_id AND t.reason = 'found late') AS found_late,
       (SELECT to_jsonb(r) ->> 'request_number' FROM service_requests r WHERE r.id = h.service_request_created)
           AS ticket_number,
       d.id AS agent_id,
       d.device_name, d.business_id, b.business_name,
       array_position(ARRAY['info', 'warning', 'critical'], h.severity) AS rank
FROM unnest($1::uuid[]) WITH ORDINALITY AS f (id, number)
JOIN agent_alert_history h ON h.id = f.id
JOIN agent_devices d ON d.id = h.agent_device_id
JOIN businesses b ON b.id = d.business_id
JOIN agent_alerts a ON a.id = h.agent_alert_id
LEFT JOIN agent_alert_states s ON s.agent_alert_id = h.agent_alert_id AND s.agent_device_id = h.agent_device_id
                               AND s.instance = h.instance
WHERE ($2::uuid IS NULL OR (d.business_id = $2 AND h.former_owner IS NULL))
ORDER BY f.number

-- acknowledge --
-- Note who looks after an alert; one that is acknowledged already stays so and leaves no trail. Returns its status
-- before. $1 alert, $2 now, $3 kind of actor, $4 employee, $5 address, $6 note (or null).
WITH before AS (
    SELECT h.id, h.status
    FROM agent_alert_history h JOIN agent_devices d ON d.id = h.agent_device_id
    WHERE h.id = $1 AND NOT d.soft_delete
    FOR NO KEY UPDATE OF h
), changed AS (
    UPDATE agent_alert_history h
    SET status = 'acknowledged', acknowledged_by = $4, acknowledged_at = $2, acknowledgement_note = $6::text
    FROM before b
    WHERE h.id = b.id AND b.status = 'active'
    RETURNING h.id, h.agent_device_id, h.agent_alert_id, h.severity, h.alert_message
), told AS (
    INSERT INTO agent_events (agent_device_id, event_type, occurred_at, received_at, data)
    SELECT agent_device_id, 'alert_acknowledged', $2, $2,
           jsonb_build_object('alert_id', id, 'severity', severity, 'message', alert_message)
    FROM changed
), audited AS (
    INSERT INTO agent_audit (at, actor_kind, actor_id, source, action, agent_device_id, details)
    SELECT $2, $3::text, $4, $5::inet, 'alert_acknowledged', agent_device_id,
           jsonb_build_object('alert_id', id, 'rule_id', agent_alert_id)
    FROM changed
)
SELECT status, (SELECT count(pg_notify('rts_live', 'devices')::text) FROM changed) AS woken FROM before

-- resolve --
-- End an alert by hand; where its rule stands stays, so that it doesn't fire again before the device has recovered.
-- Returns its status before. $1 alert, $2 now, $3 kind of actor, $4 employee, $5 address, $6 notes (or null).
WITH before AS (
    SELECT h.id, h.status
    FROM agent_alert_history h JOIN agent_devices d ON d.id = h.agent_device_id
    WHERE h.id = $1 AND NOT d.soft_delete
    FOR NO KEY UPDATE OF h
), ended AS (
    UPDATE agent_alert_history h
    SET status = 'resolved', resolved_at = $2, resolved_by = $4, resolution_notes = $6
    FROM before b
    WHERE h.id = b.id AND b.status IN ('active', 'acknowledged')
    RETURNING h.id, h.agent_device_id, h.agent_alert_id, h.severity, h.alert_message
), told AS (
    INSERT INTO agent_events (agent_device_id, event_type, occurred_at, received_at, data)
    SELECT agent_device_id, 'alert_resolved', $2, $2,
           jsonb_build_object('alert_id', id, 'severity', severity, 'message', alert_message)
    FROM ended
), audited AS (
    INSERT INTO agent_audit (at, actor_kind, actor_id, source, action, agent_device_id, details)
    SELECT $2, $3::text, $4, $5::inet, 'alert_resolved', agent_device_id,
           jsonb_build_object('alert_id', id, 'rule_id', agent_alert_id, 'notes', $6::text)
    FROM ended
)
SELECT status, (SELECT count(pg_notify('rts_live', 'devices')::text) FROM ended) AS woken FROM before

-- snooze --
-- Keep an open alert quiet until a time. Returns its status. $1 alert, $2 now, $3 kind of actor, $4 employee,
-- $5 address, $6 until when (null: no longer).
WITH before AS (
    SELECT h.id, h.status
    FROM agent_alert_history h JOIN agent_devices d ON d.id = h.agent_device_id
    WHERE h.id = $1 AND NOT d.soft_delete
    FOR NO KEY UPDATE OF h
), changed AS (
    UPDATE agent_alert_history h
    SET snoozed_until = $6::timestamptz
    FROM before b
    WHERE h.id = b.id AND b.status IN ('active', 'acknowledged')
    RETURNING h.id, h.agent_device_id, h.agent_alert_id, h.severity, h.alert_message, h.snoozed_until
), told AS (
    INSERT INTO agent_events (agent_device_id, event_type, occurred_at, received_at, data)
    SELECT agent_device_id, 'alert_snoozed', $2, $2,
           jsonb_build_object('alert_id', id, 'severity', severity, 'message', alert_message, 'until', snoozed_until)
    FROM changed
), audited AS (
    INSERT INTO agent_audit (at, actor_kind, actor_id, source, action, agent_device_id, details)
    SELECT $2, $3::text, $4, $5::inet, 'alert_snoozed', agent_device_id,
           jsonb_build_object('alert_id', id, 'rule_id', agent_alert_id, 'until', $6)
    FROM changed
)
SELECT status, (SELECT count(pg_notify('rts_live', 'devices')::text) FROM changed) AS woken FROM before
