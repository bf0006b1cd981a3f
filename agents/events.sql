-- What agents tell of their devices beyond samples.

-- add_event --
-- Keep an event and wake the live channel. $1 device, $2 type, $3 when by the device's clock, $4 now, $5 data.
WITH added AS (
    INSERT INTO agent_events (agent_device_id, event_type, occurred_at, received_at, data)
    VALUES ($1, $2, $3, $4, $5::jsonb)
    RETURNING id
)
SELECT id, (SELECT count(pg_notify('rts_live', 'devices')::text) FROM added) AS woken FROM added
