-- The registry's statements. Each that reads a device takes the caller's tenant (null: an employee, who sees all).

-- create_registration_token --
-- Keep the hash of a new one-use token; foreign keys refuse an unknown business or employee.
-- $1 hash, $2 business, $3 location, $4 device name, $5 metrics interval, $6 expiry, $7 employee, $8 now.
INSERT INTO agent_registration_tokens
    (token_hash, business_id, service_location_id, device_name, metrics_interval_seconds, expires_at, created_by,
     created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)

-- location_in_business --
-- Whether a location belongs to a business. $1 location, $2 business.
SELECT EXISTS (SELECT FROM service_locations WHERE id = $1 AND business_id = $2)

-- register_device --
-- Use up a registration token and make its device, in one statement: two racing requests can't both win.
-- $1 hash of the registration token, $2 now, $3 new device id, $4 hash of its token, $5… what the agent says of it.
WITH claimed AS (
    UPDATE agent_registration_tokens
    SET used_at = $2, agent_device_id = $3
    WHERE token_hash = $1 AND used_at IS NULL AND expires_at > $2
    RETURNING business_id, service_location_id, device_name, metrics_interval_seconds, created_by
)
INSERT INTO agent_devices
    (id, agent_token, business_id, service_location_id, device_name, metrics_interval_seconds, created_by, created_at,
     updated_at, config_changed_at, hostname, os_type, os_version, os_architecture, device_type, ip_address,
     mac_address, cpu_model, total_memory_gb, total_disk_gb, agent_version)
SELECT $3, $4, business_id, service_location_id, device_name, metrics_interval_seconds, created_by, $2,
       $2, $2, $5, $6, $7, $8, $9, $10::inet,
       $11, $12, $13, $14, $15
FROM claimed
RETURNING id, business_id, service_location_id, metrics_interval_seconds

-- check_agent --
-- The business of an agent whose token is good; no row when it is revoked or its device deactivated. $1 device,
-- $2 token hash, $3 now.
SELECT business_id
FROM agent_devices
WHERE id = $1 AND is_active AND NOT soft_delete
  AND (agent_token = $2 OR (previous_agent_token = $2 AND COALESCE($3 < previous_token_until, true)))

-- heartbeat --
-- Note that a device is alive; no row when its token is revoked. The first one confirms the enrolment. $1 device,
-- $2 token hash, $3 now, $4 status, $5 agent version, $6 how long a replaced token stays good after the new one's
-- first use.
WITH before AS (
    SELECT id, COALESCE(last_heartbeat, created_at) AS heard_at, agent_version, status, enrolled_at, business_id,
           agent_token = $2 AS by_new_token,
           CASE WHEN status = 'disabled' THEN status ELSE $4::text END AS new_status
    FROM agent_devices
    WHERE id = $1 AND is_active AND NOT soft_delete
      AND (agent_token = $2 OR (previous_agent_token = $2 AND COALESCE($3 < previous_token_until, true)))
    FOR NO KEY UPDATE
), beaten AS (
    UPDATE agent_devices d
    SET last_heartbeat = $3,
        enrolled_at = COALESCE(d.enrolled_at, $3),
        reported_status = $4,
        status = b.new_status,
        status_changed_at = CASE WHEN b.new_status <> b.status THEN $3 ELSE d.status_changed_at END,
        status_due_at = CASE WHEN b.new_status <> b.status OR d.status_due_at IS NULL THEN $3
                             ELSE d.status_due_at END,
        agent_version = COALESCE($5, d.agent_version),
        agent_last_updated = CASE WHEN $5 <> COALESCE(b.agent_version, '') THEN $3 ELSE d.agent_last_updated END,
        previous_token_until = CASE WHEN b.by_new_token AND d.previous_agent_token IS NOT NULL
                                    THEN COALESCE(d.previous_token_until, $3 + $6::interval)
                                    ELSE d.previous_token_until END
    FROM before b
    WHERE d.id = b.id
    RETURNING d.id, d.config_changed_at > b.heard_at AS config_updated, d.metrics_interval_seconds, b.business_id,
              d.rotation_requested_at IS NOT NULL OR NOT b.by_new_token AS rotate_token
), told AS (
    INSERT INTO agent_events (agent_device_id, event_type, occurred_at, received_at, data)
    SELECT id, 'enrolled', $3, $3, '{}'::jsonb FROM before WHERE enrolled_at IS NULL
    UNION ALL
    SELECT id, 'status_changed', $3, $3,
           jsonb_build_object('from', status, 'to', new_status, 'why', 'its heartbeat said so')
    FROM before WHERE new_status <> status
)
SELECT t.config_updated, t.metrics_interval_seconds, t.business_id, t.rotate_token,
       (SELECT count(*) FROM agent_commands c
        WHERE c.agent_device_id = t.id AND c.status = 'pending' AND c.expires_at > $3
          AND (NOT c.approval_required OR c.approved_at IS NOT NULL)) AS pending_commands,
       ARRAY(SELECT c.id FROM agent_commands c
             WHERE c.agent_device_id = t.id AND c.status IN ('sent', 'executing')
               AND c.cancel_requested_at IS NOT NULL AND c.due_at IS NOT NULL) AS cancel_commands,
       (SELECT count(pg_notify('rts_live', 'devices')::text) FROM before WHERE new_status <> status) AS woken
FROM beaten t

-- revoke_token --
-- Forget a device's token, so that nothing signed for it is taken any more. $1 device, $2 tenant, $3 now.
UPDATE agent_devices
SET agent_token = NULL, updated_at = $3
WHERE id = $1 AND ($2::uuid IS NULL OR business_id = $2)
RETURNING id

-- list_devices --
-- A page of devices in the order of their names. $1 tenant, $2 business, $3 statuses, $4 location, $5 and $6 name and
-- id of the last device of the page before (null: the first page), $7 devices on a page.
SELECT d.id, d.device_name, d.device_type, d.status, d.last_heartbeat, d.last_metrics_received, d.os_type,
       d.business_id, b.business_name, d.service_location_id, l.location_name,
       (d.current_metrics ->> 'cpu_percent')::double precision AS cpu_percent,
       (d.current_metrics ->> 'memory_percent')::double precision AS memory_percent,
       (d.current_metrics ->> 'disk_percent')::double precision AS disk_percent
FROM agent_devices d
JOIN businesses b ON b.id = d.business_id
LEFT JOIN service_locations l ON l.id = d.service_location_id
WHERE NOT d.soft_delete
  AND ($1::uuid IS NULL OR d.business_id = $1)
  AND ($2::uuid IS NULL OR d.business_id = $2)
  AND ($3::text[] IS NULL OR d.status = ANY ($3))
  AND ($4::uuid IS NULL OR d.service_location_id = $4)
  AND ($5::text IS NULL OR (d.device_name, d.id) > ($5, $6::uuid))
ORDER BY d.device_name, d.id
LIMIT $7

-- get_device --
-- One device with everything that its page shows, or no row. $1 device, $2 tenant.
SELECT d.id, d.device_name, d.device_type, d.status, d.os_type, d.os_version, d.os_architecture, d.hostname,
       d.agent_version, d.agent_last_updated, d.last_heartbeat, d.last_metrics_received, d.cpu_model,
       d.total_memory_gb, d.total_disk_gb, host(d.ip_address) AS ip_address, d.mac_address, d.monitoring_enabled,
       d.alerts_enabled, d.auto_remediation_enabled, d.metrics_interval_seconds, d.created_at, d.is_active,
       d.business_id, b.business_name, d.service_location_id, l.location_name,
       d.current_collected_at, d.current_metrics,
       (SELECT count(*) FROM agent_alert_history h
        WHERE h.agent_device_id = d.id AND h.status IN ('active', 'acknowledged')) AS active_alerts,
       (SELECT COALESCE(jsonb_agg(jsonb_build_object(
                   'name', s.service_name, 'status', s.status, 'pid', s.pid, 'last_checked', s.last_checked,
                   'last_state_change', s.last_state_change, 'restart_count', s.restart_count
               ) ORDER BY s.service_name), '[]')
        FROM agent_monitored_services s WHERE s.agent_device_id = d.id) AS monitored_services
FROM agent_devices d
JOIN businesses b ON b.id = d.business_id
LEFT JOIN service_locations l ON l.id = d.service_location_id
WHERE d.id = $1 AND NOT d.soft_delete AND ($2::uuid IS NULL OR d.business_id = $2)
