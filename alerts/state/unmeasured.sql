-- Devices that measure something, though not what a rule asks for.

-- find_measuring --
-- Those devices that have sent samples for half a day and go on: after a long sleep the first samples prove nothing.
-- $1 devices, $2 now.
SELECT m.agent_device_id
FROM agent_metrics m
WHERE m.agent_device_id = ANY ($1::uuid[])
  AND m.collected_at > $2::timestamptz - interval '1 day' AND m.collected_at <= $2
GROUP BY m.agent_device_id
HAVING max(m.collected_at) > $2 - interval '1 hour' AND min(m.collected_at) < $2 - interval '12 hours'
