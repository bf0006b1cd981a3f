-- The history of a device in a range of time, for its charts. Every list is bounded.

-- device --
SELECT d.id, d.business_id, d.status, d.monitoring_enabled, d.created_at, d.enrolled_at, d.decommissioned_at, d.late_from,
       d.metrics_interval_seconds
FROM agent_devices d
WHERE d.id = :device_id AND NOT d.soft_delete AND (:tenant::uuid IS NULL OR d.business_id = :tenant)

-- statuses --
-- Changes of the status in the range, and the last one before it.
SELECT e.occurred_at AS at, e.data ->> 'from' AS from_status, e.data ->> 'to' AS to_status, e.data ->> 'why' AS why,
       e.data ->> 'silent_since' AS silent_since
FROM agent_devices d
CROSS JOIN LATERAL (
    (SELECT * FROM agent_events WHERE agent_device_id = d.id AND event_type = 'status_changed'
       AND received_at > :start::timestamptz AND received_at < :end::timestamptz
     ORDER BY received_at DESC, id DESC LIMIT 1000)
    UNION ALL
    (SELECT * FROM agent_events WHERE agent_device_id = d.id AND event_type = 'status_changed' AND received_at <= :start
     ORDER BY received_at DESC, id DESC LIMIT 1)
) e
WHERE d.id = :device_id AND (:tenant::uuid IS NULL OR (d.business_id = :tenant AND e.former_owner IS NULL))
ORDER BY e.received_at, e.id

-- windows --
-- Maintenance windows that reach the device and may run in the range.
SELECT w.id, w.window_name, w.weekdays, w.local_start::text AS local_start, w.duration_minutes, w.time_zone,
       -- Years that only PostgreSQL holds, and 24:00, must not fail the whole answer.
       CASE WHEN w.starts_at IS NOT NULL THEN GREATEST(LEAST(w.starts_at, '9999-01-01'), '0002-01-01') END AS starts_at,
       CASE WHEN w.ends_at IS NOT NULL THEN GREATEST(LEAST(w.ends_at, '9999-01-01'), '0002-01-01') END AS ends_at
FROM agent_devices d
JOIN agent_maintenance_windows w
  ON (w.agent_device_id IS NULL OR w.agent_device_id = d.id)
 AND (w.service_location_id IS NULL OR w.service_location_id = d.service_location_id)
 AND (w.business_id IS NULL OR w.business_id = d.business_id)
WHERE d.id = :device_id AND (:tenant::uuid IS NULL OR d.business_id = :tenant)
  AND (w.weekdays IS NOT NULL OR (w.starts_at < :end::timestamptz AND w.ends_at > :start::timestamptz))
ORDER BY w.window_name, w.id
LIMIT 100

-- alerts --
-- Alerts that were open in the range.
SELECT h.id, a.id AS rule_id, a.alert_name, h.severity, h.status, h.triggered_at AS start, h.resolved_at AS "end",
       a.conditions ->> 'metric' AS metric, a.conditions, h.threshold_value AS threshold, h.alert_message AS message
FROM agent_devices d
JOIN agent_alert_history h ON h.agent_device_id = d.id
JOIN agent_alerts a ON a.id = h.agent_alert_id
WHERE d.id = :device_id AND (:tenant::uuid IS NULL OR (d.business_id = :tenant AND h.former_owner IS NULL))
  AND h.triggered_at < :end::timestamptz AND COALESCE(h.resolved_at > :start::timestamptz, true)
ORDER BY h.triggered_at DESC, h.id DESC
LIMIT 500

-- commands --
SELECT c.id AS command_id, c.command_type, c.status, c.created_at, c.completed_at
FROM agent_devices d
JOIN agent_commands c ON c.agent_device_id = d.id
WHERE d.id = :device_id AND (:tenant::uuid IS NULL OR (d.business_id = :tenant AND c.former_owner IS NULL))
  AND c.created_at < :end::timestamptz AND c.created_at >= :start::timestamptz
ORDER BY c.created_at DESC, c.id DESC
LIMIT 500

-- software --
-- The numbers of installed and removed programs by time, after the device's first list. An upgrade is both at one time.
WITH changes AS (
    SELECT i.first_seen AS at, 1 AS came, 0 AS went, i.software_name
    FROM agent_devices d JOIN agent_software_inventory i ON i.agent_device_id = d.id
    WHERE d.id = :device_id AND (:tenant::uuid IS NULL OR (d.business_id = :tenant AND i.former_owner IS NULL))
      AND i.first_seen > d.inventory_since AND i.first_seen >= :start::timestamptz AND i.first_seen < :end::timestamptz
    UNION ALL
    SELECT i.removed_at, 0, 1, i.software_name
    FROM agent_devices d JOIN agent_software_inventory i ON i.agent_device_id = d.id
    WHERE d.id = :device_id AND (:tenant IS NULL OR (d.business_id = :tenant AND i.former_owner IS NULL))
      AND i.removed_at >= :start AND i.removed_at < :end
), by_name AS (
    SELECT at, software_name, sum(came) AS came, sum(went) AS went FROM changes GROUP BY at, software_name
)
SELECT at, sum(GREATEST(came - went, 0))::int AS installed, sum(GREATEST(went - came, 0))::int AS removed,
       sum(LEAST(came, went))::int AS upgraded
FROM by_name GROUP BY at ORDER BY at DESC LIMIT 500
