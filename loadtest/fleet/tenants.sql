-- The fleet of a load run: businesses with people and devices, in a few statements.

-- add_businesses --
-- $1 ids, $2 names.
INSERT INTO businesses (id, business_name) SELECT * FROM unnest($1::uuid[], $2::text[])

-- add_users --
-- A user for each business. $1 ids, $2 businesses, $3 e-mail addresses.
INSERT INTO users (id, business_id, email) SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[])

-- add_employee --
-- $1 id, $2 e-mail address.
INSERT INTO employees (id, email) VALUES ($1, $2)

-- add_devices --
-- Devices as /register and a first heartbeat leave them. $1 ids, $2 businesses, $3 SHA-256 of the tokens in hex,
-- $4 names, $5 intervals in seconds, $6 now.
INSERT INTO agent_devices (id, business_id, agent_token, device_name, metrics_interval_seconds, device_type, os_type,
                           hostname, enrolled_at, last_heartbeat, created_at)
SELECT u.id, u.business_id, u.token, u.name, u.every, 'server', 'linux', u.name, $6, $6, $6
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::integer[]) AS u (id, business_id, token, name, every)

-- add_history --
-- A sample every five minutes, for charts. $1 devices, $2 from, $3 until.
INSERT INTO agent_metrics (agent_device_id, collected_at, received_at, cpu_percent, memory_percent, disk_percent,
                           load_average_1m, network_rx_bytes)
SELECT d, t, t, 20 + 60 * random(), 40 + 20 * random(), 50, 4 * random(), 1000 * extract(epoch FROM t - $2)
FROM unnest($1::uuid[]) d, generate_series($2::timestamptz, $3::timestamptz, interval '5 minutes') t
