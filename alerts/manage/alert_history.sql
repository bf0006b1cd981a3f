-- The history of alerts over all devices that the caller may see.

-- find_alerts --
-- Newest first, by an index on time. :tenant, :start (or null), :end (or null), :statuses (or null), :severities (or
-- null), :rule_id, :device_id, :business_id, :pattern for ILIKE on rule, device and message, :snoozed or not (or
-- null), :now, :after_time and :after_id time and id of the last one of the page before, :limit.
SELECT h.id, h.triggered_at
FROM agent_alert_history h
JOIN agent_devices d ON d.id = h.agent_device_id
JOIN agent_alerts a ON a.id = h.agent_alert_id
WHERE NOT d.soft_delete AND (:tenant::uuid IS NULL OR (d.business_id = :tenant AND h.former_owner IS NULL))
  AND (:start::timestamptz IS NULL OR COALESCE(h.resolved_at >= :start, true))
  AND (:end::timestamptz IS NULL OR h.triggered_at < :end)
  AND (:statuses::text[] IS NULL OR h.status = ANY (:statuses))
  AND (:severities::text[] IS NULL OR h.severity = ANY (:severities))
  AND (:rule_id::uuid IS NULL OR h.agent_alert_id = :rule_id)
  AND (:device_id::uuid IS NULL OR h.agent_device_id = :device_id)
  AND (:business_id::uuid IS NULL OR d.business_id = :business_id)
  AND (:pattern::text IS NULL OR a.alert_name ILIKE :pattern OR d.device_name ILIKE :pattern
       OR h.alert_message ILIKE :pattern)
  AND (:snoozed::boolean IS NULL OR COALESCE(h.snoozed_until > :now::timestamptz, false) = :snoozed)
  AND (:after_time::timestamptz IS NULL OR (h.triggered_at, h.id) < (:after_time, :after_id::uuid))
ORDER BY h.triggered_at DESC, h.id DESC
LIMIT :limit
