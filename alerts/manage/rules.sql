-- Rules as employees keep them; they see all businesses, so no statement here takes a tenant. Each change leaves a row in
-- agent_audit.

-- list_rules --
-- A page of rules in the order of their names. $1 one rule only (null: all), $2 business, $3 a device that they reach,
-- $4 active or not, $5 pattern for ILIKE on name or description, $6 and $7 name and id of the last one of the page
-- before, $8 rows.
SELECT a.id, a.alert_name, a.alert_type, a.severity, a.business_id, a.agent_device_id, a.service_location_id,
       a.device_type, a.conditions, a.notification_enabled, a.notification_channels, a.notification_recipients,
       a.keep_firing_minutes, a.active_hours, a.is_shadow, a.ticket_enabled, a.description, a.is_active,
       a.last_triggered, a.trigger_count, a.error_message, a.error_at, a.created_at, a.updated_at, a.created_by,
       (SELECT count(*) FROM agent_alert_history h
        WHERE h.agent_alert_id = a.id AND h.status IN ('active', 'acknowledged')) AS open_alerts
FROM agent_alerts a
WHERE NOT a.soft_delete
  AND ($1::uuid IS NULL OR a.id = $1)
  AND ($2::uuid IS NULL OR a.business_id = $2)
  AND ($3::uuid IS NULL
       OR EXISTS (SELECT FROM agent_devices d
                  WHERE d.id = $3 AND NOT d.soft_delete
                    AND (a.business_id IS NULL OR a.business_id = d.business_id)
                    AND (a.agent_device_id IS NULL OR a.agent_device_id = d.id)
                    AND (a.service_location_id IS NULL OR a.service_location_id = d.service_location_id)
                    AND (a.device_type IS NULL OR a.device_type = d.device_type)))
  AND ($4::boolean IS NULL OR a.is_active = $4)
  AND ($5::text IS NULL OR a.alert_name ILIKE $5 OR a.description ILIKE $5)
  AND ($6::text IS NULL OR (a.alert_name, a.id) > ($6, $7::uuid))
ORDER BY a.alert_name, a.id
LIMIT $8

-- create_rules --
-- Make rules and leave a trail; returns their ids in order. $1 list of column -> value, $2 now, $3 kind of actor,
-- $4 employee, $5 address.
WITH wanted AS (
    SELECT gen_random_uuid() AS new_id, p.*, w.number
    FROM jsonb_array_elements($1::jsonb) WITH ORDINALITY AS w (rule, number),
         jsonb_populate_record(NULL::agent_alerts, w.rule) p
), made AS (
    INSERT INTO agent_alerts (id, alert_name, alert_type, severity, business_id, agent_device_id, service_location_id,
                              device_type, conditions, notification_enabled, notification_channels,
                              notification_recipients, keep_firing_minutes, active_hours, is_shadow, ticket_enabled,
                              description, created_at, updated_at, created_by)
    SELECT new_id, alert_name, alert_type, severity, business_id, agent_device_id, service_location_id, device_type,
           conditions, COALESCE(notification_enabled, true), COALESCE(notification_channels, '[]'),
           COALESCE(notification_recipients, '[]'), COALESCE(keep_firing_minutes, 5), NULLIF(active_hours, 'null'),
           COALESCE(is_shadow, false), COALESCE(ticket_enabled, true), description, $2, $2, $4
    FROM wanted
), audited AS (
    INSERT INTO agent_audit (at, actor_kind, actor_id, source, action, agent_device_id, details)
    SELECT $2, $3::text, $4, $5::inet, 'alert_rule_created', w.agent_device_id,
           jsonb_build_object('rule_id', w.new_id, 'alert_name', w.alert_name, 'alert_type', w.alert_type,
                              'severity', w.severity, 'business_id', w.business_id, 'conditions', w.conditions)
    FROM wanted w
)
SELECT new_id AS id FROM wanted ORDER BY number

-- wait_for_pass --
-- Wait for an evaluation that is under way (begin_pass in queries.sql), and let none begin before this transaction ends.
SELECT pg_advisory_xact_lock_shared(hashtext('rts-agents alert pass'))

-- lock_rule --
-- What decides whether a change lets a rule start anew. $1 rule.
SELECT alert_type, business_id, service_location_id, agent_device_id, device_type, conditions, is_shadow, is_active
FROM agent_alerts
WHERE id = $1 AND NOT soft_delete
FOR NO KEY UPDATE

-- change_rule --
-- Change those columns of a rule that an object names, and leave a trail of how they were. With a note the rule starts
-- anew: its states are dropped, and its open alerts end with the note. Returns those alerts. $1 rule, $2 column -> value, $3 note (or null), $4 action, $5 now, $6 kind of actor, $7 employee, $8 address.
WITH before AS (
    SELECT a AS rule FROM agent_alerts a WHERE a.id = $1
), changed AS (
    UPDATE agent_alerts a
    SET alert_name = p.alert_name, alert_type = p.alert_type, severity = p.severity, business_id = p.business_id,
        agent_device_id = p.agent_device_id, service_location_id = p.service_location_id,
        device_type = p.device_type, conditions = p.conditions, notification_enabled = p.notification_enabled,
        notification_channels = p.notification_channels, notification_recipients = p.notification_recipients,
        keep_firing_minutes = p.keep_firing_minutes, active_hours = NULLIF(p.active_hours, 'null'),
        is_shadow = p.is_shadow, ticket_enabled = p.ticket_enabled, description = p.description,
        is_active = p.is_active, soft_delete = p.soft_delete, updated_at = $5,
        error_message = CASE WHEN $3::text IS NULL THEN a.error_message END,
        error_at = CASE WHEN $3 IS NULL THEN a.error_at END
    FROM before b CROSS JOIN LATERAL jsonb_populate_record(b.rule, $2::jsonb) p
    WHERE a.id = p.id
), dropped AS (
    DELETE FROM agent_alert_states s WHERE s.agent_alert_id = $1 AND $3 IS NOT NULL
    RETURNING s.agent_device_id, s.instance, s.state, s.value
), noted AS (
    INSERT INTO agent_alert_transitions (agent_alert_id, agent_device_id, instance, at, from_state, to_state, reason,
                                         value, is_shadow)
    SELECT $1, s.agent_device_id, s.instance, $5, s.state, 'inactive', $3, s.value, (b.rule).is_shadow
    FROM dropped s CROSS JOIN before b
), ended AS (
    UPDATE agent_alert_history h
    SET status = 'resolved', resolved_at = $5, resolved_by = $7, resolution_notes = $3
    WHERE h.agent_alert_id = $1 AND h.status IN ('active', 'acknowledged') AND $3 IS NOT NULL
    RETURNING h.id, h.agent_device_id, h.severity, h.alert_message
), told AS (
    INSERT INTO agent_events (agent_device_id, event_type, occurred_at, received_at, data)
    SELECT agent_device_id, 'alert_resolved', $5, $5,
           jsonb_build_object('alert_id', id, 'severity', severity, 'message', alert_message)
    FROM ended
), audited AS (
    INSERT INTO agent_audit (at, actor_kind, actor_id, source, action, agent_device_id, details)
    SELECT $5, $6::text, $7, $8::inet, $4::text, (b.rule).agent_device_id,
           jsonb_build_object('rule_id', $1::uuid, 'alert_name', (b.rule).alert_name, 'changed', $2::jsonb, 'before',
                              (SELECT jsonb_object_agg(k, to_jsonb(b.rule) -> k) FROM jsonb_object_keys($2::jsonb) k),
                              'alerts_ended', (SELECT count(*) FROM ended))
    FROM before b
)
SELECT id, (SELECT count(pg_notify('rts_live', 'devices')::text) FROM (SELECT FROM ended LIMIT 1) one) AS woken
FROM ended

-- lock_business --
-- Two calls for the default rules of a business come one after the other. $1 business.
SELECT FROM businesses WHERE id = $1 FOR NO KEY UPDATE

-- rules_of_types --
-- A rule of each of these types and metrics that is for a whole business (one that was switched off too: somebody chose
-- so), or in force for all. $1 business, $2 types.
SELECT DISTINCT ON (alert_type, conditions ->> 'metric') id, alert_type
FROM agent_alerts
WHERE NOT soft_delete AND (business_id = $1 OR (business_id IS NULL AND is_active AND NOT is_shadow))
  AND alert_type = ANY ($2::text[]) AND agent_device_id IS NULL AND service_location_id IS NULL
ORDER BY alert_type, conditions ->> 'metric', business_id NULLS LAST, created_at, id

-- read_transitions --
-- A rule's changes of state, newest first. $1 rule, $2 device (null: any), $3 and $4 time and id of the last one of the
-- page before, $5 rows.
SELECT t.id, t.agent_device_id, d.device_name, t.at, t.from_state, t.to_state, t.reason, t.value, t.threshold,
       t.is_shadow
FROM agent_alerts a
JOIN agent_alert_transitions t ON t.agent_alert_id = a.id
JOIN agent_devices d ON d.id = t.agent_device_id
WHERE a.id = $1 AND NOT a.soft_delete
  AND ($2::uuid IS NULL OR t.agent_device_id = $2)
  AND ($3::timestamptz IS NULL OR (t.at, t.id) < ($3, $4::bigint))
ORDER BY t.at DESC, t.id DESC
LIMIT $5
