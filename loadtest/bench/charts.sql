-- A fleet with a past for the benchmark of charts: what each chart reads is there, written level by level.

-- make_buckets --
-- The buckets of the first `most` devices from `since` until before `until`, in the form of all rollups, in time order
-- as refreshes write them: one row of a device lies far from its next. A sample every five minutes; counters grow.
CREATE OR REPLACE FUNCTION bench_buckets(width interval, since timestamptz, until timestamptz, most integer)
RETURNS SETOF agent_metrics_5m LANGUAGE sql STABLE AS $$
    SELECT d.id, t, n,
           n * v.cpu, n, v.cpu * 0.5, v.cpu * 1.2,
           n * v.used, n, v.used - 0.25, v.used + 0.5,
           n * v.memory, n, v.memory - 1, v.memory + 2,
           n * v.disk, n, v.disk, v.disk + 0.125,
           n * v.disk / 5, n, v.disk / 5, v.disk / 5 + 0.025,
           n * v.load, n, v.load * 0.5, v.load * 2,
           n * v.load, n, v.load * 0.75, v.load * 1.5,
           n * v.load, n, v.load, v.load * 1.25,
           n * v.up, n, v.up, v.up + seconds - 300,
           v.up * 50000, (v.up + seconds - 300) * 50000, t, t + width - interval '5 minutes', (seconds - 300) * 50000,
           v.up * 20000, (v.up + seconds - 300) * 20000, t, t + width - interval '5 minutes', (seconds - 300) * 20000
    FROM generate_series(since, until - width, width) t
    CROSS JOIN (SELECT id FROM agent_devices ORDER BY id LIMIT most) d
    CROSS JOIN LATERAL (SELECT EXTRACT(epoch FROM width)::double precision AS seconds) w
    CROSS JOIN LATERAL (SELECT (seconds / 300)::bigint AS n) s
    CROSS JOIN LATERAL (SELECT 20 + 60 * random() AS cpu, 5 + 3 * random() AS used, 40 + 20 * random() AS memory,
                               100 + 10 * random() AS disk, 4 * random() AS load,
                               EXTRACT(epoch FROM t - '2020-01-01')::double precision AS up) v
$$

-- add_5m --
-- As a refresh stores buckets of one sample: the view of this level fills in the other columns.
INSERT INTO agent_metrics_5m
    (agent_device_id, bucket, sample_count, {gauges, NAME_sum}, {counters, NAME_first, NAME_first_at, NAME_increase})
SELECT agent_device_id, bucket, sample_count, {gauges, NAME_sum}, {counters, NAME_first, NAME_first_at, NAME_increase}
FROM bench_buckets('5 minutes', :start, :end, :devices)

-- add_1h --
INSERT INTO agent_metrics_1h SELECT * FROM bench_buckets('1 hour', :start, :end, :devices)

-- add_1d --
INSERT INTO agent_metrics_1d SELECT * FROM bench_buckets('1 day', :start, :end, :devices)

-- add_raw --
-- Raw samples in time order.
INSERT INTO agent_metrics (agent_device_id, collected_at, received_at, cpu_percent, memory_used_gb, memory_percent,
                           disk_used_gb, disk_percent, load_average_1m, load_average_5m, load_average_15m,
                           uptime_seconds, network_rx_bytes, network_tx_bytes)
SELECT d.id, t, t, v.cpu, v.used, v.memory, v.disk, v.disk / 5, v.load, v.load, v.load, v.up, v.up * 50000, v.up * 20000
FROM generate_series(:start::timestamptz, :end::timestamptz - interval '1 second', interval '5 minutes') t
CROSS JOIN (SELECT id FROM agent_devices ORDER BY id LIMIT :devices::integer) d
CROSS JOIN LATERAL (SELECT 20 + 60 * random() AS cpu, 5 + 3 * random() AS used, 40 + 20 * random() AS memory,
                           100 + 10 * random() AS disk, 4 * random() AS load,
                           EXTRACT(epoch FROM t - '2020-01-01')::bigint AS up) v

-- refresh_level --
-- Compute the end of a level from the one below, which says how far it is complete.
CALL refresh_continuous_aggregate(:relation::text::regclass, :start::timestamptz, :end::timestamptz, force => true)

-- first_devices --
-- Devices with their businesses and a user of each, those with the whole past first.
SELECT d.id, d.business_id, u.user_id
FROM agent_devices d
CROSS JOIN LATERAL (SELECT id AS user_id FROM users WHERE business_id = d.business_id LIMIT 1) u
ORDER BY d.id
LIMIT :limit

-- add_users --
-- A user of each business that has none: the server serves only people whom the platform lists.
INSERT INTO users (business_id, email)
SELECT b.id, b.id || '@example.com' FROM businesses b WHERE NOT EXISTS (SELECT FROM users WHERE business_id = b.id)
