-- The fleet in numbers.

-- summarize_businesses --
-- Devices by status and open alerts by severity, of each business that has either; the worst first. Alerts that are
-- snoozed are counted apart. :tenant (null: an employee), :business_id (null: all), :now.
WITH devices AS (
    SELECT d.business_id, d.status, count(*) AS devices,
           count(*) FILTER (WHERE d.is_active AND GREATEST(d.last_heartbeat, d.last_metrics_received, d.created_at)
                                                  < :now::timestamptz - interval '1 day') AS silent
    FROM agent_devices d
    WHERE NOT d.soft_delete AND (:tenant::uuid IS NULL OR d.business_id = :tenant)
      AND (:business_id::uuid IS NULL OR d.business_id = :business_id)
    GROUP BY d.business_id, d.status
), alerts AS (
    SELECT d.business_id,
           count(*) FILTER (WHERE h.severity = 'critical' AND NOT s.snoozed) AS critical,
           count(*) FILTER (WHERE h.severity = 'warning' AND NOT s.snoozed) AS warning,
           count(*) FILTER (WHERE h.severity = 'info' AND NOT s.snoozed) AS info,
           count(*) FILTER (WHERE s.snoozed) AS snoozed,
           min(h.triggered_at) FILTER (WHERE h.status = 'active' AND NOT s.snoozed) AS oldest_unacknowledged_at
    FROM agent_alert_history h
    JOIN agent_devices d ON d.id = h.agent_device_id
    CROSS JOIN LATERAL (SELECT COALESCE(h.snoozed_until > :now, false) AS snoozed) s
    WHERE h.status IN ('active', 'acknowledged') AND NOT d.soft_delete AND h.former_owner IS NULL
      AND (:tenant IS NULL OR d.business_id = :tenant) AND (:business_id IS NULL OR d.business_id = :business_id)
    GROUP BY d.business_id
)
SELECT b.id, b.business_name, d.devices, d.silent, d.online, d.warning AS warned, d.offline, d.error, d.disabled,
       COALESCE(a.critical, 0) AS critical, COALESCE(a.warning, 0) AS warning, COALESCE(a.info, 0) AS info,
       COALESCE(a.snoozed, 0) AS snoozed, a.oldest_unacknowledged_at
FROM (
    SELECT business_id, sum(devices)::bigint AS devices, sum(silent)::bigint AS silent,
           COALESCE(sum(devices) FILTER (WHERE status = 'online'), 0)::bigint AS online,
           COALESCE(sum(devices) FILTER (WHERE status = 'warning'), 0)::bigint AS warning,
           COALESCE(sum(devices) FILTER (WHERE status = 'offline'), 0)::bigint AS offline,
           COALESCE(sum(devices) FILTER (WHERE status = 'error'), 0)::bigint AS error,
           COALESCE(sum(devices) FILTER (WHERE status = 'disabled'), 0)::bigint AS disabled
    FROM devices GROUP BY business_id
) d
JOIN businesses b ON b.id = d.business_id
LEFT JOIN alerts a ON a.business_id = b.id
ORDER BY critical DESC, warning DESC, d.error DESC, d.offline DESC, b.business_name, b.id

-- summarize_sites --
-- The same by site of one business; devices without a site are a row of null. :tenant (null: an employee),
-- :business_id, :now.
WITH alerts AS (
    SELECT d.service_location_id, h.severity, count(*) AS alerts
    FROM agent_alert_history h
    JOIN agent_devices d ON d.id = h.agent_device_id
    WHERE h.status IN ('active', 'acknowledged') AND NOT d.soft_delete AND h.former_owner IS NULL
      AND d.business_id = :business_id AND (:tenant::uuid IS NULL OR d.business_id = :tenant)
      AND (h.snoozed_until IS NULL OR h.snoozed_until <= :now::timestamptz)
    GROUP BY d.service_location_id, h.severity
), counted AS (
    SELECT service_location_id, COALESCE(sum(alerts) FILTER (WHERE severity = 'critical'), 0)::bigint AS critical,
           COALESCE(sum(alerts) FILTER (WHERE severity = 'warning'), 0)::bigint AS warning,
           COALESCE(sum(alerts) FILTER (WHERE severity = 'info'), 0)::bigint AS info
    FROM alerts GROUP BY service_location_id
)
SELECT d.service_location_id AS id, l.location_name, count(*) AS devices,
       count(*) FILTER (WHERE d.status = 'online') AS online, count(*) FILTER (WHERE d.status = 'warning') AS warned,
       count(*) FILTER (WHERE d.status = 'offline') AS offline, count(*) FILTER (WHERE d.status = 'error') AS error,
       count(*) FILTER (WHERE d.status = 'disabled') AS disabled,
       COALESCE(max(a.critical), 0) AS critical, COALESCE(max(a.warning), 0) AS warning,
       COALESCE(max(a.info), 0) AS info
FROM agent_devices d
LEFT JOIN service_locations l ON l.id = d.service_location_id
LEFT JOIN counted a ON a.service_location_id IS NOT DISTINCT FROM d.service_location_id
WHERE NOT d.soft_delete AND d.business_id = :business_id AND (:tenant IS NULL OR d.business_id = :tenant)
GROUP BY d.service_location_id, l.location_name
ORDER BY critical DESC, warning DESC, error DESC, offline DESC, l.location_name, id
LIMIT 1000

-- count_awaiting_approval --
-- Commands that a second employee must approve. :tenant (null: an employee), :business_id (null: all), :now.
SELECT count(*)
FROM agent_commands c
JOIN agent_devices d ON d.id = c.agent_device_id
WHERE c.due_at IS NOT NULL AND c.status = 'pending' AND c.approval_required AND c.approved_at IS NULL
  AND c.expires_at > :now::timestamptz AND NOT d.soft_delete
  AND (:tenant::uuid IS NULL OR d.business_id = :tenant)
    AND (:business_id::uuid IS NULL OR d.business_id = :business_id)
