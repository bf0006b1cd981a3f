-- The fleet of a load run: businesses with people and devices, in a few statements.

-- add_businesses --
-- :businesses ids, :names.
INSERT INTO businesses (id, business_name) SELECT * FROM unnest(:businesses::uuid[], :names::text[])

-- add_users --
-- A user for each business. :users ids, :businesses, :addresses e-mail addresses.
INSERT INTO users (id, business_id, email) SELECT * FROM unnest(:users::uuid[], :businesses::uuid[], :addresses::text[])

-- add_employee --
-- :employee_id, :email e-mail address.
INSERT INTO employees (id, email) VALUES (:employee_id, :email)

-- add_devices --
-- Devices as /register and a first heartbeat leave them. :devices ids, :businesses, :token_hashes SHA-256 of the
-- tokens in hex, :names, :intervals in seconds, :now.
INSERT INTO agent_devices (id, business_id, agent_token, device_name, metrics_interval_seconds, device_type, os_type,
                           hostname, enrolled_at, last_heartbeat, created_at)
SELECT u.id, u.business_id, u.token, u.name, u.every, 'server', 'linux', u.name, :now, :now, :now
FROM unnest(:devices::uuid[], :businesses::uuid[], :token_hashes::text[], :names::text[],
            :intervals::integer[]) AS u (id, business_id, token, name, every)

-- add_history --
-- A sample every five minutes, for charts.
INSERT INTO agent_metrics (agent_device_id, collected_at, received_at, cpu_percent, memory_percent, disk_percent,
                           load_average_1m, network_rx_bytes)
SELECT d, t, t, 20 + 60 * random(), 40 + 20 * random(), 50, 4 * random(), 1000 * extract(epoch FROM t - :start)
FROM unnest(:devices::uuid[]) d, generate_series(:start::timestamptz, :end::timestamptz, interval '5 minutes') t
