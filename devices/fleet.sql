-- The fleet as other monitoring reads it: devices with their newest sample, and which of them a question is about.

-- newest_samples --
-- Devices with their newest sample, by name; its metrics are null once it is older than :max_age. :tenant (null: an
-- employee), :business_id (null: all that the caller may see), :now, :max_age age after which a sample is no longer
-- the present, :limit.
SELECT d.id, d.device_name, b.business_name, d.os_type, d.status, d.current_collected_at,
       CASE WHEN d.current_collected_at > :now::timestamptz
                 - GREATEST(:max_age::interval, 3 * d.metrics_interval_seconds * interval '1 second')
            THEN d.current_metrics END AS metrics
FROM agent_devices d
JOIN businesses b ON b.id = d.business_id
WHERE (:tenant::uuid IS NULL OR d.business_id = :tenant)
  AND (:business_id::uuid IS NULL OR d.business_id = :business_id)
  AND NOT d.soft_delete AND d.decommissioned_at IS NULL
  AND COALESCE(d.current_collected_at >= d.owned_since, true)
ORDER BY d.device_name, d.id
LIMIT :limit

-- matching_series --
-- The series (device, metric) whose labels fit all matchers of a remote read. :tenant (null: an employee), :metrics
-- names of metrics, :labels to :values the matchers: label, type (0 equal, 1 unequal, 2 matches, 3 doesn't match) and
-- value, :limit.
SELECT d.id, d.device_name, b.business_name, d.os_type, n.name
FROM agent_devices d
JOIN businesses b ON b.id = d.business_id
CROSS JOIN unnest(:metrics::text[]) AS n (name)
WHERE (:tenant::uuid IS NULL OR d.business_id = :tenant) AND NOT d.soft_delete
  AND NOT EXISTS (
      SELECT
      FROM unnest(:labels::text[], :types::integer[], :values::text[]) AS m (label, type, value)
      CROSS JOIN LATERAL (
          SELECT CASE m.label WHEN '__name__' THEN n.name WHEN 'device' THEN d.device_name
                              WHEN 'device_id' THEN d.id::text WHEN 'business' THEN b.business_name
                              WHEN 'os' THEN COALESCE(d.os_type, '') ELSE '' END AS text
      ) l
      WHERE NOT CASE m.type WHEN 0 THEN l.text = m.value WHEN 1 THEN l.text <> m.value
                            WHEN 2 THEN l.text ~ ('^(?:' || m.value || ')$') ELSE l.text !~ ('^(?:' || m.value || ')$') END
  )
ORDER BY d.device_name, d.id, n.name
LIMIT :limit
