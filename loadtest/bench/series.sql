-- What the benchmark of series prepares and measures.

-- add_business --
INSERT INTO businesses (id, business_name) VALUES (:business_id::uuid, 'bench') RETURNING id

-- add_devices --
-- Devices whose tokens are the name and a number. :business_id, :count how many, :prefix name.
INSERT INTO agent_devices (business_id, device_name, agent_token)
SELECT :business_id::uuid, :prefix::text || n, encode(sha256((:prefix || n)::bytea), 'hex')
FROM generate_series(1, :count::integer) n
RETURNING id

-- add_disks --
-- :device_id, :count how many, :now.
INSERT INTO agent_series (agent_device_id, metric, instance, unit, is_counter, created_at, last_seen_at)
SELECT :device_id::uuid, 'disk.percent', '/disk' || n, 'percent', false, :now::timestamptz,
       :now
FROM generate_series(1, :count::integer) n
RETURNING id

-- fill_history --
-- A month of ten disks of one device, a sample each five minutes.
INSERT INTO agent_series_samples (series_id, is_counter, collected_at, value)
SELECT s.id, false, t.at, round((50 + 20 * sin(extract(epoch FROM t.at) / 40000 + s.id) + random())::numeric, 1)
FROM unnest(:series::integer[]) AS s (id)
CROSS JOIN generate_series(:now::timestamptz - interval '29 days', :now, interval '5 minutes') AS t (at)

-- fill_day --
-- A day of devices with 40 series each, as agents send them: used space, size, percent and inodes of four disks,
-- bytes read and written and the time of it, bytes and errors of three interfaces. File systems count used space in blocks
-- of 4096 bytes, disks what they read and write in sectors of 512. :day, :interval between two samples, :devices.
INSERT INTO agent_series_samples (series_id, is_counter, collected_at, value)
SELECT 20000000 + device * 40 + series, series >= 16, t.at,
       CASE
           WHEN series < 4 THEN 4096 * floor(3e7 + device * 2400 + t.seconds * 0.0332 * (series + 1) + 200 * random())
           WHEN series < 8 THEN 256060514304
           WHEN series < 12 THEN
               round((47 + device % 30 + t.seconds * 0.000007 * (series - 7) + 0.03 * random())::numeric, 1)
           WHEN series < 16 THEN round((3.2 + t.seconds * 0.000001)::numeric, 1)
           WHEN series < 20 THEN 512 * floor(2e6 + t.seconds * 39 * (series - 15) + random() * t.width * 29.3)
           WHEN series < 24 THEN 512 * floor(2e6 + t.seconds * 117 * (series - 19) + random() * t.width * 97.7)
           WHEN series < 28 THEN floor(1e6 + t.seconds * 20 + random() * t.width * 15)
           WHEN series < 31 THEN floor(5e9 + t.seconds * 40000 * (series - 27) + random() * t.width * 30000)
           WHEN series < 34 THEN floor(2e9 + t.seconds * 15000 * (series - 30) + random() * t.width * 10000)
           ELSE floor(t.seconds / 50000)
       END
FROM generate_series(1, :devices::integer) AS device CROSS JOIN generate_series(0, 39) AS series
CROSS JOIN (
    SELECT at, extract(epoch FROM at - :day::timestamptz)::float8 AS seconds,
           extract(epoch FROM :interval::interval)::float8 AS width
    FROM generate_series(:day::timestamptz, :day + interval '1 day' - :interval::interval, :interval::interval) AS at
) AS t

-- convert --
-- Move what lies before today into the columnstore.
SELECT count(compress_chunk(c, if_not_compressed => true))
    FROM show_chunks(:relation::text::regclass, older_than => interval '1 day') c

-- bytes_per_value --
-- Bytes of a value in the columnstore, indexes included, on one day.
SELECT sum(c.after_compression_total_bytes)::float8
       / (SELECT count(*) FROM agent_series_samples m
          WHERE m.collected_at >= :day::timestamptz AND m.collected_at < :day + interval '1 day')
FROM chunk_columnstore_stats('agent_series_samples') c
JOIN timescaledb_information.chunks k ON k.chunk_schema = c.chunk_schema AND k.chunk_name = c.chunk_name
WHERE k.range_start = :day

-- fill_newest --
-- Newest values of two disks of each of :devices of one business, :business_id; :now.
WITH device AS (
    INSERT INTO agent_devices (business_id, device_name, status, current_collected_at, last_metrics_received)
    SELECT :business_id::uuid, 'bench-' || n, 'online', :now::timestamptz, :now
    FROM generate_series(1, :devices::integer) n
    RETURNING id
), series AS (
    INSERT INTO agent_series (agent_device_id, metric, instance, unit, is_counter, created_at, last_seen_at)
    SELECT d.id, 'disk.percent', i.name, 'percent', false, :now, :now
    FROM device d CROSS JOIN unnest(ARRAY['C:', 'D:']) AS i (name)
    RETURNING id, agent_device_id
)
INSERT INTO agent_series_newest
    (agent_device_id, metric, collected_at, is_counter, highest, series_ids, series_values, series_times)
SELECT v.agent_device_id, 'disk.percent', :now, false, max(v.value), array_agg(v.id ORDER BY v.id),
       array_agg(v.value ORDER BY v.id), array_agg(:now ORDER BY v.id)
FROM (SELECT s.*, random() * 100 AS value FROM series s) v
GROUP BY v.agent_device_id

-- analyze --
ANALYZE agent_devices, agent_series, agent_series_newest
