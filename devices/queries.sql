-- The registry's statements. Each that reads a device takes the caller's tenant (null: an employee, who sees all).

-- create_registration_token --
-- Keep the hash of a new one-use token; foreign keys refuse an unknown business or employee. For a device that is
-- there already, no row unless it is the business's. :token_hash, :business_id, :service_location_id, :device_name,
-- :metrics_interval_seconds, :expires_at expiry, :device_id device that is there already (or null), :now,
-- :actor_kind, :actor_id, :actor_source.
WITH created AS (
    INSERT INTO agent_registration_tokens
        (token_hash, business_id, service_location_id, device_name, metrics_interval_seconds, expires_at,
         for_device_id, created_by, created_at)
    SELECT :token_hash, :business_id, :service_location_id, COALESCE(d.device_name, :device_name),
           COALESCE(d.metrics_interval_seconds, :metrics_interval_seconds), :expires_at, d.id, :actor_id, :now
    FROM (SELECT) one LEFT JOIN agent_devices d ON d.id = :device_id AND d.business_id = :business_id
      AND NOT d.soft_delete
    WHERE :device_id::uuid IS NULL OR d.id IS NOT NULL
    RETURNING id, device_name
), audited AS (
    {audit}
    SELECT :now, {actor}, 'registration_token_created', :device_id,
           jsonb_build_object('business_id', :business_id::uuid, 'device_name', device_name)
    FROM created
)
SELECT id FROM created

-- location_in_business --
-- Whether a location belongs to a business.
SELECT EXISTS (SELECT FROM service_locations WHERE id = :service_location_id AND business_id = :business_id)

-- device_of_token --
-- The device that a registration token is for, when it is there already; null for a new one.
SELECT for_device_id FROM agent_registration_tokens WHERE token_hash = :token_hash

-- register_device --
-- Use up a registration token and make its device, or give a new token to the device that it is for, in one
-- statement: two racing requests can't both win. A device that is there keeps its name, its place and what the agent
-- doesn't say; all its tokens so far are refused from now on. :registration_hash hash of the registration token,
-- :now, :device_id, :token_hash, :hostname to :agent_version the agent's data about it, :source address of the call.
WITH claimed AS (
    UPDATE agent_registration_tokens t
    SET used_at = :now, agent_device_id = :device_id
    WHERE t.token_hash = :registration_hash AND t.used_at IS NULL AND t.revoked_at IS NULL AND t.expires_at > :now
      AND (t.for_device_id IS NULL
           OR EXISTS (SELECT FROM agent_devices d
                      WHERE d.id = t.for_device_id AND d.business_id = t.business_id AND NOT d.soft_delete))
    RETURNING t.business_id, t.service_location_id, t.device_name, t.metrics_interval_seconds, t.created_by,
              t.for_device_id
), twin AS ( -- the same machine, it seems: its agent was installed twice
    SELECT d.id
    FROM agent_devices d
    JOIN claimed c ON c.business_id = d.business_id
    CROSS JOIN LATERAL ( -- as digits; some programs send zeros where they found no address
        SELECT NULLIF(NULLIF(translate(lower(d.mac_address), ':-. ', ''), '000000000000'), 'ffffffffffff') AS stored,
               NULLIF(NULLIF(translate(lower(:mac_address::text), ':-. ', ''), '000000000000'), 'ffffffffffff') AS reported
    ) mac
    WHERE c.for_device_id IS NULL AND NOT d.soft_delete AND d.decommissioned_at IS NULL
      AND COALESCE(mac.stored = mac.reported, lower(d.hostname) = lower(:hostname::text))
    ORDER BY d.last_heartbeat DESC NULLS LAST, d.created_at DESC
    LIMIT 1
), created AS (
    INSERT INTO agent_devices
        (id, agent_token, business_id, service_location_id, device_name, metrics_interval_seconds, created_by,
         created_at, updated_at, config_changed_at, hostname, os_type, os_version, os_architecture, device_type,
         ip_address, mac_address, cpu_model, total_memory_gb, total_disk_gb, agent_version,
         same_machine_as)
    SELECT :device_id, :token_hash, business_id, service_location_id, device_name, metrics_interval_seconds, created_by,
           :now, :now, :now, :hostname, :os_type, :os_version, :os_architecture, :device_type,
           :ip_address::inet, :mac_address, :cpu_model, :total_memory_gb, :total_disk_gb, :agent_version,
               (SELECT t.id FROM twin t)
    FROM claimed WHERE for_device_id IS NULL
    RETURNING id, business_id, service_location_id, metrics_interval_seconds
), before AS (
    SELECT d.id, d.status,
           d.os_type FROM agent_devices d JOIN claimed c ON c.for_device_id = d.id FOR NO KEY UPDATE OF d
), renewed AS (
    UPDATE agent_devices d
    SET agent_token = :token_hash, previous_agent_token = NULL, previous_token_until = NULL,
        rotation_requested_at = NULL,
        hostname = COALESCE(:hostname, d.hostname), os_type = COALESCE(:os_type, d.os_type),
        os_version = COALESCE(:os_version, d.os_version),
            os_architecture = COALESCE(:os_architecture, d.os_architecture),
        device_type = COALESCE(:device_type, d.device_type), ip_address = COALESCE(:ip_address::inet, d.ip_address),
        mac_address = COALESCE(:mac_address, d.mac_address), cpu_model = COALESCE(:cpu_model, d.cpu_model),
        total_memory_gb = COALESCE(:total_memory_gb, d.total_memory_gb),
            total_disk_gb = COALESCE(:total_disk_gb, d.total_disk_gb),
        agent_version = COALESCE(:agent_version, d.agent_version),
        is_active = true, decommissioned_at = NULL, decommission_reason = NULL,
        boot_at = NULL, boot_before = NULL, boot_returns = 0, clone_suspected_at = NULL,
        status = 'offline', reported_status = 'online', status_due_at = NULL,
        status_changed_at = CASE WHEN b.status <> 'offline' THEN :now ELSE d.status_changed_at END,
        updated_at = :now, config_changed_at = :now
    FROM before b
    WHERE d.id = b.id
    RETURNING d.id, d.business_id, d.service_location_id, d.metrics_interval_seconds
), forgotten AS ( -- another system has other services
    DELETE FROM agent_monitored_services s
    USING before b
    WHERE s.agent_device_id = b.id AND b.os_type <> :os_type
), events AS (
    INSERT INTO agent_events (agent_device_id, event_type, occurred_at, received_at, data)
    SELECT id, 'registered_again', :now::timestamptz, :now, '{}'::jsonb FROM before
    UNION ALL
    SELECT m.id, 'same_machine_suspected', :now, :now, jsonb_build_object('other_device_id', t.id) FROM created m, twin t
    UNION ALL
    SELECT t.id, 'same_machine_suspected', :now, :now, jsonb_build_object('other_device_id', m.id) FROM created m, twin t
    UNION ALL
    SELECT id, 'status_changed', :now, :now,
           jsonb_build_object('from', status, 'to', 'offline', 'why', 'it was registered again')
    FROM before WHERE status <> 'offline'
), audited AS (
    {audit}
    SELECT :now, 'agent', :device_id, :source::inet,
           CASE WHEN for_device_id IS NULL THEN 'device_registered' ELSE 'device_registered_again' END,
           :device_id, '{}'
    FROM claimed
)
SELECT id, business_id, service_location_id, metrics_interval_seconds
FROM (SELECT * FROM created UNION ALL SELECT * FROM renewed) registered

-- check_agent --
-- The business of an agent whose token is good; no row when it is revoked or its device deactivated.
SELECT business_id
FROM agent_devices
WHERE id = :device_id AND is_active AND NOT soft_delete
  AND (agent_token = :token_hash OR (previous_agent_token = :token_hash
      AND COALESCE(:now < previous_token_until, true)))

-- heartbeat --
-- Record a heartbeat; no row if the token is revoked. The first one confirms the enrolment. :device_id,
-- :token_hash, :now, :status, :agent_version, :token_overlap how long a replaced token stays good after the new one's
-- first use, :clock_offset_seconds the device's clock minus ours in seconds, :tolerance_seconds how far it may be
-- off. A clock that is off by more is an event, one an hour at most, and when its newest sample was off by the same,
-- rules are judged at the device's own time.
WITH before AS (
    SELECT id, COALESCE(last_heartbeat, created_at) AS heard_at, agent_version, status, enrolled_at, business_id,
           agent_token = :token_hash AS by_new_token,
           CASE WHEN status = 'disabled' THEN status ELSE :status::text END AS new_status,
           abs(:clock_offset_seconds::float8) > :tolerance_seconds::float8 AS is_off,
           abs(:clock_offset_seconds) > :tolerance_seconds AND clock_off_since IS NULL
               AND COALESCE(clock_told_at < :now::timestamptz - interval '1 hour', true) AS tells_off,
           clock_off_since IS NOT NULL AND abs(:clock_offset_seconds) <= :tolerance_seconds AS is_right_again,
           sample_lag
               BETWEEN (:clock_offset_seconds - :tolerance_seconds - metrics_interval_seconds) * interval '1 second'
               AND (:clock_offset_seconds + :tolerance_seconds) * interval '1 second' AS explains_lag
    FROM agent_devices
    WHERE id = :device_id AND is_active AND NOT soft_delete
      AND (agent_token = :token_hash OR (previous_agent_token = :token_hash
          AND COALESCE(:now < previous_token_until, true)))
    FOR NO KEY UPDATE
), beaten AS (
    UPDATE agent_devices d
    SET last_heartbeat = :now,
        enrolled_at = COALESCE(d.enrolled_at, :now),
        reported_status = :status,
        status = b.new_status,
        status_changed_at = CASE WHEN b.new_status <> b.status THEN :now ELSE d.status_changed_at END,
        status_due_at = CASE WHEN b.new_status <> b.status OR d.status_due_at IS NULL THEN :now
                             ELSE d.status_due_at END,
        clock_offset_seconds = :clock_offset_seconds,
        clock_shift = CASE WHEN b.is_off AND b.explains_lag THEN LEAST(d.sample_lag, '0')
                           WHEN d.sample_lag_since <= :now - interval '10 minutes' THEN d.clock_shift
                           ELSE '0' END,
        clock_off_since = CASE WHEN b.is_off THEN COALESCE(d.clock_off_since, :now) END,
        clock_told_at = CASE WHEN b.tells_off THEN :now ELSE d.clock_told_at END,
        agent_version = COALESCE(:agent_version, d.agent_version),
        agent_last_updated = CASE WHEN :agent_version <> COALESCE(b.agent_version,
                                                                  '') THEN :now ELSE d.agent_last_updated END,
        previous_token_until = CASE WHEN b.by_new_token AND d.previous_agent_token IS NOT NULL
                                    THEN COALESCE(d.previous_token_until, :now + :token_overlap::interval)
                                    ELSE d.previous_token_until END
    FROM before b
    WHERE d.id = b.id
    RETURNING d.id, d.config_changed_at > b.heard_at AS config_updated, d.metrics_interval_seconds, b.business_id,
              d.rotation_requested_at IS NOT NULL OR NOT b.by_new_token AS rotate_token
), events AS (
    INSERT INTO agent_events (agent_device_id, event_type, occurred_at, received_at, data)
    SELECT id, 'enrolled', :now, :now, '{}'::jsonb FROM before WHERE enrolled_at IS NULL
    UNION ALL
    SELECT id, 'status_changed', :now, :now,
           jsonb_build_object('from', status, 'to', new_status, 'why', 'its heartbeat said so')
    FROM before WHERE new_status <> status
    UNION ALL
    SELECT id, 'clock_wrong', :now, :now, jsonb_build_object('offset_seconds', round(:clock_offset_seconds), 'by',
                                                             'its heartbeat')
    FROM before WHERE tells_off
    UNION ALL
    SELECT id, 'clock_right', :now, :now, '{}'::jsonb FROM before WHERE is_right_again
), learned AS (
    UPDATE agent_device_intervals i SET until_at = :now
    FROM before b
    WHERE i.agent_device_id = b.id AND i.until_at IS NULL AND i.changed_at <= :now
)
SELECT t.config_updated, t.metrics_interval_seconds, t.business_id, t.rotate_token,
       (SELECT count(*) FROM agent_commands c
        WHERE c.agent_device_id = t.id AND c.status = 'pending' AND c.expires_at > :now
          AND (NOT c.approval_required OR c.approved_at IS NOT NULL)) AS pending_commands,
       ARRAY(SELECT c.id FROM agent_commands c
             WHERE c.agent_device_id = t.id AND c.status IN ('sent', 'executing')
               AND c.cancel_requested_at IS NOT NULL AND c.due_at IS NOT NULL) AS cancel_commands
FROM beaten t

-- list_devices --
-- A page of devices in the order of their names, each as a JSON array whose names devices.py has (COLUMNS): a
-- thousand devices cost the event loop a fifth of what as many records would. Parameters that are null fall out of
-- the plan, so that each question walks the index that holds its answer in order; with several statuses, a page of
-- each is merged. A location of another business is seen to be one before any device is read. Types and
-- `changed_since` are looked at while walking. :tenant, :business_id, :statuses, :service_location_id, :after_name
-- and :after_id name and id of the last device of the page before (null: the first page), :limit, :pattern a pattern
-- for ILIKE on name or hostname, :clone_suspected suspected to be cloned or not, :os_types operating systems,
-- :device_types, :changed_since, :now.
WITH page AS (
    SELECT found.id
    FROM (
        (SELECT d.id, d.device_name
         FROM agent_devices d
         WHERE NOT d.soft_delete AND :statuses::text[] IS NULL
           AND (:tenant::uuid IS NULL OR d.business_id = :tenant)
           AND (:business_id::uuid IS NULL OR d.business_id = :business_id)
           AND (:service_location_id::uuid IS NULL OR d.service_location_id = :service_location_id)
           AND (:after_name::text IS NULL OR (d.device_name, d.id) > (:after_name, :after_id::uuid))
           AND (:pattern::text IS NULL OR (d.device_name || E'\n' || COALESCE(d.hostname, '')) ILIKE :pattern)
           AND (:clone_suspected::boolean IS NULL OR (d.clone_suspected_at IS NOT NULL) = :clone_suspected)
           AND (:os_types::text[] IS NULL OR d.os_type = ANY (:os_types))
           AND (:device_types::text[] IS NULL OR d.device_type = ANY (:device_types))
           AND (:changed_since::timestamptz IS NULL
                OR GREATEST(d.created_at, d.last_heartbeat, d.last_metrics_received, d.status_changed_at,
                            d.config_changed_at, d.updated_at) >= :changed_since
                OR EXISTS (SELECT FROM agent_alert_history h
                           WHERE h.agent_device_id = d.id
                             AND GREATEST(h.triggered_at, h.resolved_at, h.acknowledged_at,
                                          h.snoozed_until) >= :changed_since))
         ORDER BY d.device_name, d.id
         LIMIT :limit)
        UNION ALL
        SELECT of_status.id, of_status.device_name
        FROM unnest(:statuses) AS s (status), LATERAL (
            SELECT d.id, d.device_name
            FROM agent_devices d
            WHERE NOT d.soft_delete AND d.status = s.status
              AND (:tenant IS NULL OR d.business_id = :tenant)
              AND (:business_id IS NULL OR d.business_id = :business_id)
              AND (:service_location_id IS NULL OR d.service_location_id = :service_location_id)
              AND (:after_name IS NULL OR (d.device_name, d.id) > (:after_name, :after_id))
              AND (:pattern IS NULL OR (d.device_name || E'\n' || COALESCE(d.hostname, '')) ILIKE :pattern)
              AND (:clone_suspected IS NULL OR (d.clone_suspected_at IS NOT NULL) = :clone_suspected)
              AND (:os_types IS NULL OR d.os_type = ANY (:os_types))
              AND (:device_types IS NULL OR d.device_type = ANY (:device_types))
              AND (:changed_since IS NULL
                   OR GREATEST(d.created_at, d.last_heartbeat, d.last_metrics_received, d.status_changed_at,
                               d.config_changed_at, d.updated_at) >= :changed_since
                   OR EXISTS (SELECT FROM agent_alert_history h
                              WHERE h.agent_device_id = d.id
                                AND GREATEST(h.triggered_at, h.resolved_at, h.acknowledged_at,
                                             h.snoozed_until) >= :changed_since))
            ORDER BY d.device_name, d.id
            LIMIT :limit
        ) of_status
    ) found
    WHERE :service_location_id IS NULL OR COALESCE(:tenant, :business_id) IS NULL
       OR EXISTS (SELECT FROM service_locations WHERE id = :service_location_id
                                                         AND business_id = COALESCE(:tenant, :business_id))
    ORDER BY found.device_name, found.id
    LIMIT :limit
)
SELECT d.device_name, d.id,
       json_build_array(
           d.id, d.device_name, d.business_id, b.business_name, d.service_location_id, l.location_name, d.status,
           d.last_heartbeat, d.last_metrics_received, d.os_type, d.os_version, d.device_type,
           alert_number(d.current_metrics -> 'cpu_percent'),
           alert_number(d.current_metrics -> 'memory_percent'),
           alert_number(d.current_metrics -> 'disk_percent'), d.hostname, host(d.ip_address), d.agent_version,
           open.alerts, (ARRAY['info', 'warning', 'critical'])[open.worst], d.created_at, d.status_changed_at,
           d.is_active, d.clone_suspected_at IS NOT NULL, d.decommissioned_at, d.metrics_interval_seconds
       )::text AS cells
FROM page
JOIN agent_devices d USING (id)
JOIN businesses b ON b.id = d.business_id
LEFT JOIN service_locations l ON l.id = d.service_location_id
CROSS JOIN LATERAL (
    SELECT count(*) AS alerts, max(CASE h.severity WHEN 'info' THEN 1 WHEN 'warning' THEN 2 ELSE 3 END) AS worst
    FROM agent_alert_history h
    WHERE h.agent_device_id = d.id AND h.status IN ('active', 'acknowledged') AND h.former_owner IS NULL
      AND (h.snoozed_until IS NULL OR h.snoozed_until <= :now)
) open
ORDER BY d.device_name, d.id

-- count_devices --
-- How many devices such a list has in all. Parameters as of list_devices, without those of the page: :tenant,
-- :business_id, :statuses, :service_location_id, :pattern, :clone_suspected, :os_types operating systems,
-- :device_types, :changed_since.
SELECT count(*)
FROM agent_devices d
WHERE NOT d.soft_delete
  AND (:tenant::uuid IS NULL OR d.business_id = :tenant)
  AND (:business_id::uuid IS NULL OR d.business_id = :business_id)
  AND (:statuses::text[] IS NULL OR d.status = ANY (:statuses))
  AND (:service_location_id::uuid IS NULL OR d.service_location_id = :service_location_id)
  AND (:pattern::text IS NULL OR (d.device_name || E'\n' || COALESCE(d.hostname, '')) ILIKE :pattern)
  AND (:clone_suspected::boolean IS NULL OR (d.clone_suspected_at IS NOT NULL) = :clone_suspected)
  AND (:os_types::text[] IS NULL OR d.os_type = ANY (:os_types))
  AND (:device_types::text[] IS NULL OR d.device_type = ANY (:device_types))
  AND (:changed_since::timestamptz IS NULL
       OR GREATEST(d.created_at, d.last_heartbeat, d.last_metrics_received, d.status_changed_at, d.config_changed_at,
                   d.updated_at) >= :changed_since
       OR EXISTS (SELECT FROM agent_alert_history h
                  WHERE h.agent_device_id = d.id
                    AND GREATEST(h.triggered_at, h.resolved_at, h.acknowledged_at, h.snoozed_until) >= :changed_since))

-- visible_devices --
-- Which of these devices the caller may see. :devices, :tenant (null: an employee).
SELECT id FROM agent_devices WHERE id = ANY (:devices::uuid[]) AND NOT soft_delete
  AND (:tenant::uuid IS NULL OR business_id = :tenant)

-- get_device --
-- One device with everything that its page shows, or no row.
SELECT d.id, d.device_name, d.device_type, d.status, d.os_type, d.os_version, d.os_architecture, d.hostname,
       d.agent_version, d.agent_last_updated, d.last_heartbeat, d.last_metrics_received, d.cpu_model,
       d.total_memory_gb, d.total_disk_gb, host(d.ip_address) AS ip_address, d.mac_address, d.monitoring_enabled,
       d.alerts_enabled, d.auto_remediation_enabled, d.metrics_interval_seconds, d.created_at, d.is_active,
       d.enrolled_at, d.status_changed_at, d.clone_suspected_at, d.decommissioned_at, d.decommission_reason,
       CASE WHEN d.clock_off_since IS NOT NULL
            THEN COALESCE(NULLIF(d.clock_offset_seconds, 0), extract(epoch FROM d.sample_lag)::float8) END
           AS clock_offset_seconds, d.clock_off_since, d.same_machine_as,
       d.rotation_requested_at, CASE WHEN d.agent_token IS NULL THEN 'revoked' ELSE 'active' END AS token_state,
       d.business_id, b.business_name, d.service_location_id, l.location_name,
       d.current_collected_at, d.current_metrics,
       (SELECT count(*) FROM agent_alert_history h
        WHERE h.agent_device_id = d.id AND h.status IN ('active', 'acknowledged')
          AND (:tenant::uuid IS NULL OR h.former_owner IS NULL)) AS active_alerts,
       (SELECT COALESCE(jsonb_agg(jsonb_build_object(
                   'id', s.id, 'name', s.service_name, 'status', s.status, 'pid', s.pid,
                   'should_be_running', s.should_be_running, 'auto_restart', s.auto_restart,
                   'last_checked', s.last_checked, 'last_state_change', s.last_state_change,
                   'restart_count', s.restart_count, 'state_changes', s.state_changes,
                   'missing_since', s.missing_since
               ) ORDER BY s.service_name), '[]')
        FROM (SELECT * FROM agent_monitored_services m WHERE m.agent_device_id = d.id
              ORDER BY m.service_name LIMIT 1000) s) AS monitored_services
FROM agent_devices d
JOIN businesses b ON b.id = d.business_id
LEFT JOIN service_locations l ON l.id = d.service_location_id
WHERE d.id = :device_id AND NOT d.soft_delete AND (:tenant::uuid IS NULL OR d.business_id = :tenant)
