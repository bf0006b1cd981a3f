-- The demo's rows in the platform's tables, as rts-agents creates them where the platform has none.

-- add_business --
INSERT INTO businesses (id, business_name) VALUES (:business_id, :name) ON CONFLICT DO NOTHING

-- add_site --
INSERT INTO service_locations (id, business_id, location_name,
                               is_headquarters) VALUES (:site_id, :business_id, :name, :is_headquarters)
ON CONFLICT DO NOTHING

-- add_user --
INSERT INTO users (id, business_id, email, is_primary_contact) VALUES (:user_id, :business_id, :email,
                                                                       :is_primary) ON CONFLICT DO NOTHING

-- add_employee --
INSERT INTO employees (id, email) VALUES (:employee_id, :email) ON CONFLICT DO NOTHING

-- age_devices --
-- Devices that joined after their history begins: they joined then, and their first change of the status was then.
-- :devices, :since when the history begins.
WITH aged AS (
    UPDATE agent_devices SET created_at = :since, enrolled_at = :since
    WHERE id = ANY (:devices::uuid[]) AND created_at > :since::timestamptz
    RETURNING id
), first AS (
    SELECT DISTINCT ON (e.agent_device_id) e.id
    FROM agent_events e JOIN aged ON aged.id = e.agent_device_id
    WHERE e.event_type = 'status_changed'
    ORDER BY e.agent_device_id, e.received_at, e.id
)
UPDATE agent_events e SET occurred_at = :since, received_at = :since FROM first WHERE e.id = first.id
