-- A device for a rule test. Everything is rolled back.

-- make_device --
-- A device of some business; one is made only where there is none, because the platform's table may want more than we
-- know. :interval_seconds seconds between its samples.
WITH created AS (
    INSERT INTO businesses (business_name) SELECT 'Rule test' WHERE NOT EXISTS (SELECT FROM businesses) RETURNING id
)
INSERT INTO agent_devices (business_id, device_name, metrics_interval_seconds)
SELECT COALESCE((SELECT id FROM created), (SELECT id FROM businesses LIMIT 1)), 'rule test', :interval_seconds
RETURNING id

-- put_samples --
-- :device_id, :samples as JSON: a time and metrics by name.
INSERT INTO agent_metrics (agent_device_id, collected_at, received_at, {gauges, NAME})
SELECT :device_id, s.at, s.at, {gauges, s.NAME}
FROM jsonb_to_recordset(:samples::jsonb) AS s (at timestamptz, {gauges, NAME float8})

-- put_values --
-- Series of the device and their values. :device_id, :values as JSON: metric, instance, unit, kind, time, value.
WITH given AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset(:values::jsonb)
        AS v (metric text, instance text, unit text, is_counter boolean, at timestamptz, value float8)
), created AS (
    INSERT INTO agent_series (agent_device_id, metric, instance, unit, is_counter, created_at, last_seen_at)
    SELECT :device_id, metric, instance, unit, bool_or(is_counter), min(at), max(at) FROM given
    GROUP BY metric, instance, unit
    RETURNING id, metric, instance
)
INSERT INTO agent_series_samples (series_id, is_counter, collected_at, value)
SELECT m.id, g.is_counter, g.at, g.value FROM given g JOIN created m USING (metric, instance)
