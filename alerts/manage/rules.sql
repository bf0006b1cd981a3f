-- Rules, as employees manage them. Employees see all businesses, so no statement here takes a tenant. Each change
-- writes a row to agent_audit.

-- list_rules --
-- A page of rules in the order of their names. :rule_id one rule only (null: all), :business_id, :device_id a device
-- that they reach, :is_active active or not, :pattern for ILIKE on name or description, :after_name and :after_id
-- name and id of the last one of the page before, :limit.
SELECT a.id, a.alert_name, a.alert_type, a.severity, a.business_id, a.agent_device_id, a.service_location_id,
       a.device_type, a.conditions, a.notification_enabled, a.notification_channels, a.notification_recipients,
       a.keep_firing_minutes, a.active_hours, a.is_shadow, a.ticket_enabled, a.description, a.is_active,
       a.last_triggered, a.trigger_count, a.error_message, a.error_at, a.created_at, a.updated_at, a.created_by,
       a.created_by_name,
       (SELECT count(*) FROM agent_alert_history h
        WHERE h.agent_alert_id = a.id AND h.status IN ('active', 'acknowledged')) AS open_alerts
FROM agent_alerts a
WHERE NOT a.soft_delete
  AND (:rule_id::uuid IS NULL OR a.id = :rule_id)
  AND (:business_id::uuid IS NULL OR a.business_id = :business_id)
  AND (:device_id::uuid IS NULL
       OR EXISTS (SELECT FROM agent_devices d
                  WHERE d.id = :device_id AND NOT d.soft_delete
                    AND (a.business_id IS NULL OR a.business_id = d.business_id)
                    AND (a.agent_device_id IS NULL OR a.agent_device_id = d.id)
                    AND (a.service_location_id IS NULL OR a.service_location_id = d.service_location_id)
                    AND (a.device_type IS NULL OR a.device_type = d.device_type)))
  AND (:is_active::boolean IS NULL OR a.is_active = :is_active)
  AND (:pattern::text IS NULL OR a.alert_name ILIKE :pattern OR a.description ILIKE :pattern)
  AND (:after_name::text IS NULL OR (a.alert_name, a.id) > (:after_name, :after_id::uuid))
ORDER BY a.alert_name, a.id
LIMIT :limit

-- create_rules --
-- Make rules and leave a trail; returns their ids in order. :rules list of column -> value, :now, :actor_kind,
-- :actor_id, :actor_source.
WITH new_rules AS (
    SELECT gen_random_uuid() AS new_id, p.*, w.number
    FROM jsonb_array_elements(:rules::jsonb) WITH ORDINALITY AS w (rule, number),
         jsonb_populate_record(NULL::agent_alerts, w.rule) p
), inserted AS (
    INSERT INTO agent_alerts (id, alert_name, alert_type, severity, business_id, agent_device_id, service_location_id,
                              device_type, conditions, notification_enabled, notification_channels,
                              notification_recipients, keep_firing_minutes, active_hours, is_shadow, ticket_enabled,
                              description, created_at, updated_at, created_by)
    SELECT new_id, alert_name, alert_type, severity, business_id, agent_device_id, service_location_id, device_type,
           conditions, COALESCE(notification_enabled, true), COALESCE(notification_channels, '[]'),
           COALESCE(notification_recipients, '[]'), COALESCE(keep_firing_minutes, 5), NULLIF(active_hours, 'null'),
           COALESCE(is_shadow, false), COALESCE(ticket_enabled, true), description, :now, :now, :actor_id
    FROM new_rules
), audited AS (
    {audit}
    SELECT :now, {actor}, 'alert_rule_created', w.agent_device_id,
           jsonb_build_object('rule_id', w.new_id, 'alert_name', w.alert_name, 'alert_type', w.alert_type,
                              'severity', w.severity, 'business_id', w.business_id, 'conditions', w.conditions)
    FROM new_rules w
)
SELECT new_id AS id FROM new_rules ORDER BY number

-- wait_for_pass --
-- Wait for an evaluation that is under way (begin_pass in queries.sql), and let none begin before this transaction ends.
SELECT pg_advisory_xact_lock_shared(hashtext('rts-agents alert pass'))

-- lock_rule --
-- The columns that decide whether a change lets a rule start again.
SELECT alert_type, business_id, service_location_id, agent_device_id, device_type, conditions, is_shadow, is_active
FROM agent_alerts
WHERE id = :rule_id AND NOT soft_delete
FOR NO KEY UPDATE

-- change_rule --
-- Change those columns of a rule that an object names, and leave a trail of how they were. With a note the rule
-- starts again: its states are dropped, and its open alerts end with the note. Returns those alerts. :rule_id,
-- :changes column -> value, :note (or null), :action, :now, :actor_kind, :actor_id, :actor_source.
WITH before AS (
    SELECT a AS rule FROM agent_alerts a WHERE a.id = :rule_id
), changed AS (
    UPDATE agent_alerts a
    SET alert_name = p.alert_name, alert_type = p.alert_type, severity = p.severity, business_id = p.business_id,
        agent_device_id = p.agent_device_id, service_location_id = p.service_location_id,
        device_type = p.device_type, conditions = p.conditions, notification_enabled = p.notification_enabled,
        notification_channels = p.notification_channels, notification_recipients = p.notification_recipients,
        keep_firing_minutes = p.keep_firing_minutes, active_hours = NULLIF(p.active_hours, 'null'),
        is_shadow = p.is_shadow, ticket_enabled = p.ticket_enabled, description = p.description,
        is_active = p.is_active, soft_delete = p.soft_delete, updated_at = :now,
        error_message = CASE WHEN :note::text IS NULL THEN a.error_message END,
        error_at = CASE WHEN :note IS NULL THEN a.error_at END
    FROM before b CROSS JOIN LATERAL jsonb_populate_record(b.rule, :changes::jsonb) p
    WHERE a.id = p.id
), dropped AS (
    DELETE FROM agent_alert_states s WHERE s.agent_alert_id = :rule_id AND :note IS NOT NULL
    RETURNING s.agent_device_id, s.instance, s.state, s.value
), transitions AS (
    INSERT INTO agent_alert_transitions (agent_alert_id, agent_device_id, instance, at, from_state, to_state, reason,
                                         value, is_shadow)
    SELECT :rule_id, s.agent_device_id, s.instance, :now, s.state, 'inactive', :note, s.value, (b.rule).is_shadow
    FROM dropped s CROSS JOIN before b
), ended AS (
    UPDATE agent_alert_history h
    SET status = 'resolved', resolved_at = :now, resolved_by = :actor_id, resolution_notes = :note
    WHERE h.agent_alert_id = :rule_id AND h.status IN ('active', 'acknowledged') AND :note IS NOT NULL
    RETURNING h.id, h.agent_device_id, h.severity, h.alert_message, h.former_owner
), events AS (
    INSERT INTO agent_events (agent_device_id, event_type, occurred_at, received_at, data, former_owner)
    SELECT agent_device_id, 'alert_resolved', :now, :now,
           jsonb_build_object('alert_id', id, 'severity', severity, 'message', alert_message), former_owner
    FROM ended
), audited AS (
    {audit}
    SELECT :now, {actor}, :action::text, (b.rule).agent_device_id,
           jsonb_build_object('rule_id', :rule_id::uuid, 'alert_name', (b.rule).alert_name, 'changed',
                              :changes::jsonb, 'before',
                              (SELECT jsonb_object_agg(k, to_jsonb(b.rule) -> k)
                               FROM jsonb_object_keys(:changes::jsonb) k),
                              'alerts_ended', (SELECT count(*) FROM ended))
    FROM before b
)
SELECT id
FROM ended

-- lock_business --
-- Two calls for the default rules of a business come one after the other.
SELECT FROM businesses WHERE id = :business_id FOR NO KEY UPDATE

-- rules_of_types --
-- A rule of each of these types and metrics that is for a whole business (one that was switched off too: somebody
-- chose so), or in force for all.
SELECT DISTINCT ON (alert_type, conditions ->> 'metric') id, alert_type
FROM agent_alerts
WHERE NOT soft_delete AND (business_id = :business_id OR (business_id IS NULL AND is_active AND NOT is_shadow))
  AND alert_type = ANY (:types::text[]) AND agent_device_id IS NULL AND service_location_id IS NULL
ORDER BY alert_type, conditions ->> 'metric', business_id NULLS LAST, created_at, id

-- read_transitions --
-- A rule's changes of state, newest first. :rule_id, :device_id (null: any), :instance (null: any), :after_time and
-- :after_id time and id of the last one of the page before, :limit.
SELECT t.id, t.agent_device_id, d.device_name, t.instance, t.at, t.from_state, t.to_state, t.reason, t.value, t.threshold,
       t.is_shadow
FROM agent_alerts a
JOIN agent_alert_transitions t ON t.agent_alert_id = a.id
JOIN agent_devices d ON d.id = t.agent_device_id
WHERE a.id = :rule_id AND NOT a.soft_delete
  AND (:device_id::uuid IS NULL OR t.agent_device_id = :device_id)
  AND (:instance::text IS NULL OR t.instance = :instance)
  AND (:after_time::timestamptz IS NULL OR (t.at, t.id) < (:after_time, :after_id::bigint))
ORDER BY t.at DESC, t.id DESC
LIMIT :limit
