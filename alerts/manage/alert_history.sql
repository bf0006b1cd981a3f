-- The history of alerts over all devices that the caller may see.

-- find_alerts --
-- Newest first, by an index on time. $1 tenant, $2 from (or null), $3 to (or null), $4 statuses (or null), $5 severities (or
-- null), $6 rule, $7 device, $8 business, $9 pattern for ILIKE on rule, device and message, $10 snoozed or not (or null),
-- $11 now, $12 and $13 time and id of the last one of the page before, $14 rows.
SELECT h.id, h.triggered_at
FROM agent_alert_history h
JOIN agent_devices d ON d.id = h.agent_device_id
JOIN agent_alerts a ON a.id = h.agent_alert_id
WHERE NOT d.soft_delete AND ($1::uuid IS NULL OR (d.business_id = $1 AND h.former_owner IS NULL))
  AND ($2::timestamptz IS NULL OR COALESCE(h.resolved_at >= $2, true))
  AND ($3::timestamptz IS NULL OR h.triggered_at < $3)
  AND ($4::text[] IS NULL OR h.status = ANY ($4))
  AND ($5::text[] IS NULL OR h.severity = ANY ($5))
  AND ($6::uuid IS NULL OR h.agent_alert_id = $6)
  AND ($7::uuid IS NULL OR h.agent_device_id = $7)
  AND ($8::uuid IS NULL OR d.business_id = $8)
  AND ($9::text IS NULL OR a.alert_name ILIKE $9 OR d.device_name ILIKE $9 OR h.alert_message ILIKE $9)
  AND ($10::boolean IS NULL OR COALESCE(h.snoozed_until > $11::timestamptz, false) = $10)
  AND ($12::timestamptz IS NULL OR (h.triggered_at, h.id) < ($12, $13::uuid))
ORDER BY h.triggered_at DESC, h.id DESC
LIMIT $14
