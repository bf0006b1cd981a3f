-- What people and agents do to a device's life. Every change leaves a row in agent_audit in the same statement, and
-- wakes the live channel when it shows. A statement that finds nothing to change changes nothing and leaves no trail.
-- Each returns a row when the device is there.

-- deactivate --
-- Refuse the device's calls until it is activated; its token stays. Its open registration tokens end, or one of them
-- would activate it; they are locked before the device, as by a registration.
WITH tokens AS (
    UPDATE agent_registration_tokens t
    SET revoked_at = :now
    FROM agent_devices d
    WHERE t.for_device_id = :device_id AND d.id = :device_id AND d.is_active AND NOT d.soft_delete
      AND t.used_at IS NULL AND t.revoked_at IS NULL
    RETURNING t.id
), before AS (
    SELECT id, status, is_active
    FROM agent_devices
    WHERE id = :device_id AND NOT soft_delete AND (SELECT count(*) FROM tokens) >= 0
    FOR NO KEY UPDATE
), changed AS (
    UPDATE agent_devices d
    SET is_active = false, status = 'disabled', status_due_at = NULL, updated_at = :now,
        status_changed_at = CASE WHEN b.status <> 'disabled' THEN :now ELSE d.status_changed_at END
    FROM before b
    WHERE d.id = b.id AND b.is_active
    RETURNING d.id, b.status AS was
), events AS (
    INSERT INTO agent_events (agent_device_id, event_type, occurred_at, received_at, data)
    SELECT id, 'status_changed', :now, :now, jsonb_build_object('from', was, 'to', 'disabled', 'why',
                                                                'it was deactivated')
    FROM changed WHERE was <> 'disabled'
), audited AS (
    {audit}
    SELECT :now, {actor}, 'device_deactivated', id, '{}' FROM changed
)
SELECT id FROM before

-- activate --
-- Take the device's calls again; it is offline until it is heard. `decommissioned`: it was left as it is.
WITH before AS (
    SELECT id, status, is_active, decommissioned_at IS NOT NULL AS decommissioned
    FROM agent_devices WHERE id = :device_id AND NOT soft_delete FOR NO KEY UPDATE
), changed AS (
    UPDATE agent_devices d
    SET is_active = true, status = 'offline', status_due_at = NULL, updated_at = :now, status_changed_at = :now
    FROM before b
    WHERE d.id = b.id AND NOT b.is_active AND NOT b.decommissioned
    RETURNING d.id, b.status AS was
), events AS (
    INSERT INTO agent_events (agent_device_id, event_type, occurred_at, received_at, data)
    SELECT id, 'status_changed', :now, :now, jsonb_build_object('from', was, 'to', 'offline', 'why', 'it was activated')
    FROM changed WHERE was <> 'offline'
), audited AS (
    {audit}
    SELECT :now, {actor}, 'device_activated', id, '{}' FROM changed
)
SELECT id, decommissioned FROM before

-- decommission --
-- End a device's service: no token of its is good any more, also none to register it again, and its open commands are
-- cancelled. Registration tokens are locked before the device, as by a registration.
WITH tokens AS (
    UPDATE agent_registration_tokens t
    SET revoked_at = :now
    FROM agent_devices d
    WHERE t.for_device_id = :device_id AND d.id = :device_id AND d.decommissioned_at IS NULL AND NOT d.soft_delete
      AND t.used_at IS NULL AND t.revoked_at IS NULL
    RETURNING t.id
), before AS (
    SELECT id, status, decommissioned_at
    FROM agent_devices
    WHERE id = :device_id AND NOT soft_delete AND (SELECT count(*) FROM tokens) >= 0
    FOR NO KEY UPDATE
), changed AS (
    UPDATE agent_devices d
    SET agent_token = NULL, previous_agent_token = NULL, previous_token_until = NULL, rotation_requested_at = NULL,
        decommissioned_at = :now, decommission_reason = :reason, is_active = false, status = 'disabled',
            status_due_at = NULL,
        status_changed_at = CASE WHEN b.status <> 'disabled' THEN :now ELSE d.status_changed_at END, updated_at = :now
    FROM before b
    WHERE d.id = b.id AND b.decommissioned_at IS NULL
    RETURNING d.id, b.status AS was
), cancelled AS (
    UPDATE agent_commands c
    SET status = 'cancelled', changed_at = :now, due_at = NULL, completed_at = :now,
        cancel_requested_at = COALESCE(c.cancel_requested_at, :now), error_message = 'The device was decommissioned.'
    FROM changed d
    WHERE c.agent_device_id = d.id AND c.status IN ('pending', 'sent', 'executing')
    RETURNING c.id, c.agent_device_id
), events AS (
    INSERT INTO agent_events (agent_device_id, event_type, occurred_at, received_at, data)
    SELECT id, 'decommissioned', :now::timestamptz, :now, '{}'::jsonb FROM changed
    UNION ALL
    SELECT id, 'status_changed', :now, :now,
           jsonb_build_object('from', was, 'to', 'disabled', 'why', 'it was decommissioned')
    FROM changed WHERE was <> 'disabled'
), audited AS (
    {command_audit}
    SELECT :now::timestamptz, {actor}, 'device_decommissioned', id, NULL::uuid,
           jsonb_build_object('reason', :reason::text, 'commands_cancelled', (SELECT count(*) FROM cancelled))
    FROM changed
    UNION ALL
    SELECT :now, {actor}, 'command_cancelled', agent_device_id, id,
           jsonb_build_object('reason', 'the device was decommissioned')
    FROM cancelled
)
SELECT id
FROM before

-- delete_device --
-- Hide the device everywhere; its measurements stay, and `restore` brings it back. Its open commands are cancelled for
-- good.
WITH changed AS (
    UPDATE agent_devices
    SET soft_delete = true, deleted_at = :now, status_due_at = NULL, updated_at = :now
    WHERE id = :device_id AND NOT soft_delete
    RETURNING id
), cancelled AS (
    UPDATE agent_commands c
    SET status = 'cancelled', changed_at = :now, due_at = NULL, completed_at = :now,
        cancel_requested_at = COALESCE(c.cancel_requested_at, :now), error_message = 'The device was deleted.'
    FROM changed d
    WHERE c.agent_device_id = d.id AND c.status IN ('pending', 'sent', 'executing')
    RETURNING c.id, c.agent_device_id
), audited AS (
    {command_audit}
    SELECT :now::timestamptz, {actor}, 'device_deleted', id, NULL::uuid,
           jsonb_build_object('commands_cancelled', (SELECT count(*) FROM cancelled))
    FROM changed
    UNION ALL
    SELECT :now, {actor}, 'command_cancelled', agent_device_id, id,
           jsonb_build_object('reason', 'the device was deleted')
    FROM cancelled
)
SELECT id FROM changed

-- restore --
-- Bring back a device that was deleted, lapsed or decommissioned: active, and offline until it is heard. A token that
-- was revoked stays so.
WITH before AS (
    SELECT id, status, soft_delete, soft_delete OR decommissioned_at IS NOT NULL AS gone
    FROM agent_devices WHERE id = :device_id FOR NO KEY UPDATE
), changed AS (
    UPDATE agent_devices d
    SET soft_delete = false, deleted_at = NULL, decommissioned_at = NULL, decommission_reason = NULL, is_active = true,
        status = 'offline', status_due_at = NULL, updated_at = :now,
        status_changed_at = CASE WHEN b.status <> 'offline' THEN :now ELSE d.status_changed_at END
    FROM before b
    WHERE d.id = b.id AND b.gone
    RETURNING d.id, b.status AS was, b.soft_delete AS was_deleted
), events AS (
    INSERT INTO agent_events (agent_device_id, event_type, occurred_at, received_at, data)
    SELECT id, 'restored', :now::timestamptz, :now, '{}'::jsonb FROM changed
    UNION ALL
    SELECT id, 'status_changed', :now, :now, jsonb_build_object('from', was, 'to', 'offline', 'why', 'it was restored')
    FROM changed WHERE was <> 'offline'
), audited AS (
    {audit}
    SELECT :now, {actor}, 'device_restored', id,
           jsonb_build_object('was_deleted', was_deleted)
    FROM changed
)
SELECT id FROM before

-- change_device --
-- Change what an employee may change; null leaves a value as it is. The trail names each change. `location_fits` is
-- false, and nothing changed, when the location isn't one of the device's business. :device_name, :set_location
-- whether the location changes, :service_location_id (or null), :device_type, :metrics_interval_seconds,
-- :monitoring_enabled, :alerts_enabled alerts and :auto_remediation_enabled automatic repair enabled, :hostname.
WITH before AS (
    SELECT d.id, to_jsonb(v) AS old,
           jsonb_build_object(
               'device_name', COALESCE(:device_name, d.device_name),
               'device_type', COALESCE(:device_type, d.device_type),
               'service_location_id',
                   CASE WHEN :set_location::boolean THEN :service_location_id::uuid ELSE d.service_location_id END,
               'metrics_interval_seconds', COALESCE(:metrics_interval_seconds, d.metrics_interval_seconds),
               'monitoring_enabled', COALESCE(:monitoring_enabled, d.monitoring_enabled),
               'alerts_enabled', COALESCE(:alerts_enabled, d.alerts_enabled),
               'auto_remediation_enabled', COALESCE(:auto_remediation_enabled, d.auto_remediation_enabled),
               'hostname', COALESCE(:hostname, d.hostname)) AS new,
           :service_location_id IS NULL
               OR EXISTS (SELECT FROM service_locations l
                          WHERE l.id = :service_location_id AND l.business_id = d.business_id) AS location_fits
    FROM agent_devices d, LATERAL (
        SELECT d.device_name, d.device_type, d.service_location_id, d.metrics_interval_seconds, d.monitoring_enabled,
               d.alerts_enabled, d.auto_remediation_enabled, d.hostname) v
    WHERE d.id = :device_id AND NOT d.soft_delete
    FOR NO KEY UPDATE OF d
), changes AS (
    SELECT b.id, (SELECT jsonb_object_agg(n.key, jsonb_build_object('from', o.value, 'to', n.value))
                  FROM jsonb_each(b.new) n JOIN jsonb_each(b.old) o USING (key)
                  WHERE n.value <> o.value) AS fields
    FROM before b WHERE b.location_fits
), changed AS (
    UPDATE agent_devices d
    SET device_name = COALESCE(:device_name, d.device_name), device_type = COALESCE(:device_type, d.device_type),
        service_location_id = CASE WHEN :set_location THEN :service_location_id ELSE d.service_location_id END,
        metrics_interval_seconds = COALESCE(:metrics_interval_seconds, d.metrics_interval_seconds),
        monitoring_enabled = COALESCE(:monitoring_enabled, d.monitoring_enabled),
        alerts_enabled = COALESCE(:alerts_enabled, d.alerts_enabled),
        auto_remediation_enabled = COALESCE(:auto_remediation_enabled, d.auto_remediation_enabled),
        hostname = COALESCE(:hostname, d.hostname),
        config_changed_at = CASE WHEN c.fields ? 'metrics_interval_seconds' THEN :now ELSE d.config_changed_at END,
        updated_at = :now
    FROM changes c
    WHERE d.id = c.id AND c.fields IS NOT NULL
    RETURNING d.id, c.fields
), intervals AS ( -- until the device receives the new interval, samples by the old one do not count as missing
    INSERT INTO agent_device_intervals (agent_device_id, seconds, changed_at)
    SELECT id, (fields -> 'metrics_interval_seconds' ->> 'from')::integer, :now
    FROM changed WHERE fields ? 'metrics_interval_seconds'
), audited AS (
    {audit}
    SELECT :now, {actor}, 'device_changed', id, fields FROM changed
)
SELECT id, location_fits FROM before

-- dismiss_clone --
-- Somebody has looked: it isn't cloned, or isn't any more. Counting begins again.
WITH before AS (
    SELECT id, clone_suspected_at FROM agent_devices WHERE id = :device_id AND NOT soft_delete FOR NO KEY UPDATE
), changed AS (
    UPDATE agent_devices d
    SET clone_suspected_at = NULL, boot_returns = 0, updated_at = :now
    FROM before b
    WHERE d.id = b.id AND b.clone_suspected_at IS NOT NULL
    RETURNING d.id, b.clone_suspected_at AS suspected_at
), audited AS (
    {audit}
    SELECT :now, {actor}, 'clone_dismissed', id,
           jsonb_build_object('suspected_at', suspected_at) FROM changed
)
SELECT id FROM before

-- move_device --
-- Give a device to another business; a trigger leaves its past with the former owner
-- (db/migrations/sql/device_changes.sql). Nothing changes unless the business is there and the location, if any, is
-- its own. :business_id, :service_location_id (or null).
WITH before AS (
    SELECT d.id, d.business_id AS former,
           EXISTS (SELECT FROM businesses b WHERE b.id = :business_id::uuid) AS business_fits,
           :service_location_id::uuid IS NULL
               OR EXISTS (SELECT FROM service_locations l WHERE l.id = :service_location_id
                 AND l.business_id = :business_id) AS location_fits
    FROM agent_devices d
    WHERE d.id = :device_id AND NOT d.soft_delete
    FOR NO KEY UPDATE OF d
), changed AS (
    UPDATE agent_devices d
    SET business_id = :business_id, service_location_id = :service_location_id, updated_at = :now
    FROM before b
    WHERE d.id = b.id AND b.business_fits AND b.location_fits AND b.former <> :business_id
    RETURNING d.id, b.former
), audited AS (
    {audit}
    SELECT :now, {actor}, 'device_moved', id,
           jsonb_build_object('from', former, 'to', :business_id::uuid)
    FROM changed
)
SELECT id, business_fits, location_fits
FROM before
