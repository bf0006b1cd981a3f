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
