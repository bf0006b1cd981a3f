-- Import from the platform's own agent tables (public.agent_devices, public.agent_metrics) into ours, which the search
-- path leads to. Columns are read as JSON, so a column that a platform's table lacks is null.

-- find_source --
-- Whether the platform's two tables are there, and aren't ours.
SELECT to_regclass('public.agent_devices') IS NOT NULL AND to_regclass('public.agent_metrics') IS NOT NULL
   AND to_regclass('public.agent_devices') <> to_regclass('agent_devices')

-- count_devices --
-- The platform's devices: all, left out (deleted, without a business), here already, to be imported.
SELECT count(*) AS found, count(*) FILTER (WHERE s.deleted) AS deleted,
       count(*) FILTER (WHERE NOT s.deleted AND b.id IS NULL) AS without_business,
       count(*) FILTER (WHERE NOT s.deleted AND b.id IS NOT NULL AND d.id IS NOT NULL) AS here,
       count(*) FILTER (WHERE NOT s.deleted AND b.id IS NOT NULL AND d.id IS NULL) AS new
FROM (SELECT p.id, p.business_id, COALESCE((to_jsonb(p) ->> 'soft_delete')::boolean, false) AS deleted
      FROM public.agent_devices p) s
LEFT JOIN businesses b ON b.id = s.business_id
LEFT JOIN agent_devices d ON d.id = s.id

-- import_devices --
-- The same ids, so that metrics find them. No token: each gets one by a registration token for this device. Unknown
-- types become null.
INSERT INTO agent_devices
    (id, business_id, service_location_id, device_name, device_type, os_type, os_version, os_architecture, hostname,
     agent_version, last_heartbeat, last_metrics_received, cpu_model, total_memory_gb, total_disk_gb, ip_address,
     mac_address, monitoring_enabled, alerts_enabled, created_at, created_by, is_active, enrolled_at)
SELECT s.id, s.business_id, l.id, left(COALESCE(NULLIF(f ->> 'device_name', ''), f ->> 'hostname', s.id::text), 255),
       CASE WHEN f ->> 'device_type' IN ('desktop', 'server', 'laptop', 'vm') THEN f ->> 'device_type' END,
       CASE WHEN f ->> 'os_type' IN ('windows', 'linux', 'macos') THEN f ->> 'os_type'
            WHEN f ->> 'os_type' = 'darwin' THEN 'macos' END,
       left(f ->> 'os_version', 255), left(f ->> 'os_architecture', 64), left(f ->> 'hostname', 255),
       left(f ->> 'agent_version', 64), (f ->> 'last_heartbeat')::timestamptz,
       (f ->> 'last_metrics_received')::timestamptz, left(f ->> 'cpu_model', 255),
       GREATEST((f ->> 'total_memory_gb')::float8, 0), GREATEST((f ->> 'total_disk_gb')::float8, 0),
       (f ->> 'ip_address')::inet, left(f ->> 'mac_address', 64),
       COALESCE((f ->> 'monitoring_enabled')::boolean, true), COALESCE((f ->> 'alerts_enabled')::boolean, true),
       COALESCE((f ->> 'created_at')::timestamptz, now()), e.id, COALESCE((f ->> 'is_active')::boolean, true),
       COALESCE((f ->> 'last_heartbeat')::timestamptz, (f ->> 'created_at')::timestamptz, now())
FROM public.agent_devices s
CROSS JOIN LATERAL (SELECT to_jsonb(s) AS f) j
JOIN businesses b ON b.id = s.business_id
LEFT JOIN service_locations l ON l.id = (f ->> 'service_location_id')::uuid
LEFT JOIN employees e ON e.id = (f ->> 'created_by')::uuid
WHERE NOT COALESCE((f ->> 'soft_delete')::boolean, false)
ON CONFLICT (id) DO NOTHING

-- list_days --
-- The days (UTC) of the platform's metrics, with their rows.
SELECT (collected_at AT TIME ZONE 'UTC')::date AS day, count(*) AS rows
FROM public.agent_metrics
GROUP BY 1
ORDER BY 1

-- count_day --
-- Of a day's rows: of an unknown device, out of time (before 2020, ahead of the clock), repeated, and here already.
-- :start, :end, :latest time that is taken.
WITH source AS (
    SELECT m.agent_device_id, m.collected_at, d.id IS NOT NULL AS has_device,
           m.collected_at >= '2020-01-01' AND m.collected_at <= :latest::timestamptz AS in_time,
           row_number() OVER (PARTITION BY m.agent_device_id, m.collected_at) > 1 AS repeated
    FROM public.agent_metrics m
    LEFT JOIN (SELECT id FROM agent_devices
               UNION SELECT s.id FROM public.agent_devices s JOIN businesses b ON b.id = s.business_id
                     WHERE NOT COALESCE((to_jsonb(s) ->> 'soft_delete')::boolean, false)) d ON d.id = m.agent_device_id
    WHERE m.collected_at >= :start::timestamptz AND m.collected_at < :end::timestamptz
)
SELECT count(*) AS found, count(*) FILTER (WHERE NOT has_device) AS without_device,
       count(*) FILTER (WHERE has_device AND NOT in_time) AS out_of_time,
       count(*) FILTER (WHERE has_device AND in_time AND repeated) AS repeated,
       count(*) FILTER (WHERE has_device AND in_time AND NOT repeated AND EXISTS (
           SELECT FROM agent_metrics o WHERE o.agent_device_id = s.agent_device_id AND o.collected_at = s.collected_at
                                         AND o.collected_at >= :start AND o.collected_at < :end)) AS here
FROM source s

-- import_day --
-- A day's rows; values out of their range become null, other columns go into raw_metrics. :start, :end, :latest time
-- that is taken, :keep_extras whether other columns are kept, :own_columns the columns that have a place of their
-- own.
INSERT INTO agent_metrics
    (agent_device_id, collected_at, received_at, cpu_percent, memory_used_gb, memory_percent, disk_used_gb,
     disk_percent, load_average_1m, load_average_5m, load_average_15m, uptime_seconds, network_rx_bytes,
     network_tx_bytes, raw_metrics)
SELECT DISTINCT ON (m.agent_device_id, m.collected_at) m.agent_device_id, m.collected_at,
       COALESCE((f ->> 'received_at')::timestamptz, m.collected_at),
       CASE WHEN (f ->> 'cpu_percent')::float8 BETWEEN 0 AND 100 THEN (f ->> 'cpu_percent')::float8 END,
       CASE WHEN (f ->> 'memory_used_gb')::float8 BETWEEN 0 AND 1e6 THEN (f ->> 'memory_used_gb')::float8 END,
       CASE WHEN (f ->> 'memory_percent')::float8 BETWEEN 0 AND 100 THEN (f ->> 'memory_percent')::float8 END,
       CASE WHEN (f ->> 'disk_used_gb')::float8 BETWEEN 0 AND 1e9 THEN (f ->> 'disk_used_gb')::float8 END,
       CASE WHEN (f ->> 'disk_percent')::float8 BETWEEN 0 AND 100 THEN (f ->> 'disk_percent')::float8 END,
       CASE WHEN (f ->> 'load_average_1m')::float8 BETWEEN 0 AND 1e6 THEN (f ->> 'load_average_1m')::float8 END,
       CASE WHEN (f ->> 'load_average_5m')::float8 BETWEEN 0 AND 1e6 THEN (f ->> 'load_average_5m')::float8 END,
       CASE WHEN (f ->> 'load_average_15m')::float8 BETWEEN 0 AND 1e6 THEN (f ->> 'load_average_15m')::float8 END,
       CASE WHEN (f ->> 'uptime_seconds')::numeric BETWEEN 0
         AND 1e10 THEN (f ->> 'uptime_seconds')::numeric::bigint END,
       CASE WHEN (f ->> 'network_rx_bytes')::numeric BETWEEN 0 AND 9007199254740992
            THEN (f ->> 'network_rx_bytes')::numeric::bigint END,
       CASE WHEN (f ->> 'network_tx_bytes')::numeric BETWEEN 0 AND 9007199254740992
            THEN (f ->> 'network_tx_bytes')::numeric::bigint END,
       CASE WHEN :keep_extras::boolean THEN NULLIF(
           CASE WHEN jsonb_typeof(f -> 'raw_metrics') = 'object' THEN f -> 'raw_metrics' ELSE '{}' END
               || jsonb_strip_nulls(f - :own_columns::text[]), '{}') END
FROM public.agent_metrics m
CROSS JOIN LATERAL (SELECT to_jsonb(m) AS f) j
JOIN agent_devices d ON d.id = m.agent_device_id
WHERE m.collected_at >= :start::timestamptz AND m.collected_at < :end::timestamptz
  AND m.collected_at >= '2020-01-01' AND m.collected_at <= :latest::timestamptz
ORDER BY m.agent_device_id, m.collected_at, f ->> 'received_at'
ON CONFLICT (agent_device_id, collected_at) DO NOTHING

-- is_rolled_up --
-- Whether the day's rollup has devices whose samples are no longer there: to compute it again would lose them.
SELECT EXISTS (
    SELECT FROM agent_metrics_1d r
    WHERE r.bucket >= :start::timestamptz AND r.bucket < :end::timestamptz
      AND NOT EXISTS (SELECT FROM agent_metrics m
                      WHERE m.agent_device_id = r.agent_device_id AND m.collected_at >= :start
                        AND m.collected_at < :end))

-- schedule_retention --
-- Stop (false) or start (true) the job that drops old samples; a legal hold in force keeps it stopped.
SELECT count(*)
FROM timescaledb_information.jobs j CROSS JOIN LATERAL alter_job(
    j.job_id, scheduled => :scheduled::boolean AND NOT EXISTS (SELECT FROM agent_legal_holds WHERE released_at IS NULL))
WHERE j.proc_name = 'policy_retention' AND j.hypertable_name = 'agent_metrics'
  AND j.hypertable_schema = (SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                             WHERE c.oid = 'agent_metrics'::regclass)
