-- The demo's rows in the platform's tables, as rts-agents creates them where the platform has none.

-- add_business --
INSERT INTO businesses (id, business_name) VALUES ($1, $2) ON CONFLICT DO NOTHING

-- add_site --
INSERT INTO service_locations (id, business_id, location_name, is_headquarters) VALUES ($1, $2, $3, $4)
ON CONFLICT DO NOTHING

-- add_user --
INSERT INTO users (id, business_id, email, is_primary_contact) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING

-- add_employee --
INSERT INTO employees (id, email) VALUES ($1, $2) ON CONFLICT DO NOTHING

-- age_devices --
-- Devices that joined after their history begins: they joined then, and their first change of the status was then.
-- $1 devices, $2 when the history begins.
WITH aged AS (
    UPDATE agent_devices SET created_at = $2, enrolled_at = $2
    WHERE id = ANY ($1::uuid[]) AND created_at > $2::timestamptz
    RETURNING id
), first AS (
    SELECT DISTINCT ON (e.agent_device_id) e.id
    FROM agent_events e JOIN aged ON aged.id = e.agent_device_id
    WHERE e.event_type = 'status_changed'
    ORDER BY e.agent_device_id, e.received_at, e.id
)
UPDATE agent_events e SET occurred_at = $2, received_at = $2 FROM first WHERE e.id = first.id
