-- One thing that fails in the background stands apart from the others; time zones of sites and businesses; ends of alerts.

-- agent_isolated_faults --
-- What the worker leaves out for a while because it fails alone: `task` is the worker's task, `item` what failed in it, as
-- `device:<id>` or `rule:<id>:device:<id>`. It is tried again at `retry_at`, and the row goes when that succeeds.
CREATE TABLE agent_isolated_faults (
    task text NOT NULL CHECK (length(task) BETWEEN 1 AND 100),
    item text NOT NULL CHECK (length(item) BETWEEN 1 AND 300),
    reason text NOT NULL CHECK (length(reason) <= 1000),
    attempts integer NOT NULL DEFAULT 1,
    first_at timestamptz NOT NULL,
    last_at timestamptz NOT NULL,
    retry_at timestamptz NOT NULL,
    PRIMARY KEY (task, item)
);

-- agent_time_zones --
-- The time zone (an IANA name) of a business (service_location_id null) or of one of its sites, which comes first.
CREATE TABLE agent_time_zones (
    business_id uuid NOT NULL REFERENCES businesses (id) ON DELETE CASCADE,
    service_location_id uuid REFERENCES service_locations (id) ON DELETE CASCADE,
    time_zone text NOT NULL CHECK (length(time_zone) BETWEEN 1 AND 64),
    updated_at timestamptz NOT NULL,
    UNIQUE NULLS NOT DISTINCT (business_id, service_location_id)
);
CREATE INDEX agent_time_zones_by_site ON agent_time_zones (service_location_id) WHERE service_location_id IS NOT NULL;

-- agent_baselines_zone --
-- `hour_of_week` is by the clock of this zone.
ALTER TABLE agent_baselines ADD COLUMN time_zone text NOT NULL DEFAULT 'UTC';

-- agent_alert_history_end --
-- What the rule's value was when the alert ended by itself.
ALTER TABLE agent_alert_history ADD COLUMN resolved_value double precision;

-- alert_known_zone --
-- A zone's name if this server has the zone, else the fallback: a name that another program wrote, or that is newer than
-- this server's zone data, must not stop a statement.
CREATE FUNCTION alert_known_zone(zone text, fallback text) RETURNS text LANGUAGE plpgsql STABLE AS $body$
BEGIN
    PERFORM timestamptz '2000-01-01 00:00+00' AT TIME ZONE zone;
    RETURN COALESCE(zone, fallback);
EXCEPTION WHEN others THEN
    RETURN fallback;
END
$body$;

-- alert_local_hour_of_week --
-- The hour of the week by a zone's clock, 0 to 167; 0 is Monday from 00:00.
CREATE FUNCTION alert_local_hour_of_week(at timestamptz, zone text) RETURNS integer LANGUAGE sql STABLE AS $body$
    SELECT ((extract(isodow FROM at AT TIME ZONE zone) - 1) * 24 + extract(hour FROM at AT TIME ZONE zone))::integer
$body$;

-- alert_number --
-- A JSON value as a number; null for anything else, and for a number that no double precision holds.
CREATE FUNCTION alert_number(value jsonb) RETURNS double precision LANGUAGE sql IMMUTABLE AS $body$
    SELECT CASE WHEN jsonb_typeof(value) = 'number' AND abs(value::numeric) < 1e300
                THEN (CASE WHEN abs(value::numeric) < 1e-300 THEN 0 ELSE value::numeric END)::double precision END
$body$;

-- drop_alert_pairs --
-- Its parameters change.
DROP FUNCTION alert_pairs(jsonb, uuid);

-- alert_pairs --
-- Conditions (JSON, as alerts/query/runner.py writes them) × the devices in their rule's reach: of one device, of a site,
-- of a type, of a business, or all. `now_value` is the newest value of the metric `newest_of`, for leaves that need it.
-- Deactivated devices and those without monitoring or alerts are in no reach. A tenant, when given, bounds all; `among`,
-- when given, are the only devices.
CREATE FUNCTION alert_pairs(leaves jsonb, tenant uuid, among uuid[] DEFAULT NULL)
RETURNS TABLE (
    rule_id uuid, leaf integer, device_id uuid, every interval, feature integer, is_up boolean, is_strict boolean,
    value_threshold double precision, last_threshold double precision, recovery double precision, by_value boolean,
    span interval, name text, deviations double precision, floor double precision, now_value double precision
) LANGUAGE sql STABLE ROWS 10000 AS $body$
    WITH leaf AS MATERIALIZED (
        SELECT *
        FROM jsonb_to_recordset(leaves) AS l (
            rule_id uuid, leaf integer, business_id uuid, service_location_id uuid, device_id uuid, device_type text,
            feature integer, is_up boolean, is_strict boolean, value_threshold double precision,
            last_threshold double precision, recovery double precision, by_value boolean, window_seconds double precision,
            name text, deviations double precision, floor double precision, newest_of text)
    ), device AS MATERIALIZED (
        SELECT d.id, d.business_id, d.service_location_id, d.device_type, d.current_metrics,
               d.metrics_interval_seconds * interval '1 second' AS every
        FROM agent_devices d
        WHERE d.is_active AND NOT d.soft_delete AND d.monitoring_enabled AND d.alerts_enabled
          AND (tenant IS NULL OR d.business_id = tenant) AND (among IS NULL OR d.id = ANY (among))
    ), pair AS (
        SELECT l.*, d.id, d.every, d.service_location_id AS at_location, d.device_type AS of_type, d.current_metrics
        FROM leaf l JOIN device d ON d.id = l.device_id
        WHERE l.business_id IS NULL OR l.business_id = d.business_id
        UNION ALL
        SELECT l.*, d.id, d.every, d.service_location_id, d.device_type, d.current_metrics
        FROM leaf l JOIN device d ON d.business_id = l.business_id
        WHERE l.device_id IS NULL
        UNION ALL
        SELECT l.*, d.id, d.every, d.service_location_id, d.device_type, d.current_metrics
        FROM leaf l CROSS JOIN device d
        WHERE l.device_id IS NULL AND l.business_id IS NULL
    )
    SELECT p.rule_id, p.leaf, p.id, p.every, p.feature, p.is_up, p.is_strict, p.value_threshold, p.last_threshold,
           p.recovery, p.by_value, p.window_seconds * interval '1 second', p.name, p.deviations, p.floor,
           alert_number(p.current_metrics -> p.newest_of)
    FROM pair p
    WHERE (p.service_location_id IS NULL OR p.service_location_id = p.at_location)
      AND (p.device_type IS NULL OR p.device_type = p.of_type)
$body$;
