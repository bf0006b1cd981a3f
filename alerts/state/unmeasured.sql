-- Devices that still send samples, for alerts whose metric is missing in them.

-- find_measuring --
-- Those devices that have sent samples for half a day and continue: after a long sleep the first samples prove nothing.
SELECT m.agent_device_id
FROM agent_metrics m
WHERE m.agent_device_id = ANY (:devices::uuid[])
  AND m.collected_at > :now::timestamptz - interval '1 day' AND m.collected_at <= :now
GROUP BY m.agent_device_id
HAVING max(m.collected_at) > :now - interval '1 hour' AND min(m.collected_at) < :now - interval '12 hours'
