-- The schema `grafana`: what dashboards read. Each statement can be run again; they run in this order, as the owner of our
-- tables. Functions have the owner's rights and show a role only what `grafana.roles` allows `session_user`, which no
-- session can change. Their bodies are text, so that nothing here keeps an upgrade from changing a table.

-- roles --
CREATE TABLE IF NOT EXISTS grafana.roles (
    role_name name PRIMARY KEY,
    business_id uuid,
    sees_all boolean NOT NULL DEFAULT false,
    CHECK (sees_all = (business_id IS NULL))
)

-- drop_devices --
DROP VIEW IF EXISTS grafana.devices, grafana.latest, grafana.alerts

-- drop_functions --
DROP FUNCTION IF EXISTS
    grafana.list_devices(), grafana.list_latest(), grafana.list_alerts(), grafana.number_of(jsonb, text),
    grafana.chart(uuid, timestamptz, timestamptz, interval), grafana.fleet(timestamptz, timestamptz, interval),
    grafana.level_for(timestamptz, interval), grafana.check_range(timestamptz, timestamptz, interval),
    grafana.rate(double precision, timestamptz, timestamptz, double precision, double precision, timestamptz, interval)

-- number_of --
-- A number of a JSON object; null for a text, a list or a number beyond every metric.
CREATE FUNCTION grafana.number_of(object jsonb, name text) RETURNS double precision
LANGUAGE sql IMMUTABLE AS $function$
    SELECT CASE WHEN jsonb_typeof(object) = 'object' AND jsonb_typeof(object -> name) = 'number' THEN
               CASE WHEN abs((object ->> name)::numeric) < 1e16 THEN (object ->> name)::double precision END
           END
$function$

-- list_devices --
CREATE FUNCTION grafana.list_devices()
RETURNS TABLE (id uuid, name text, business text, os text, status text, last_seen timestamptz, interval_seconds integer)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $function$
    SELECT d.id, d.device_name, b.business_name, d.os_type, d.status,
           GREATEST(d.current_collected_at, d.last_heartbeat), d.metrics_interval_seconds
    FROM grafana.roles r
    JOIN agent_devices d ON r.sees_all OR d.business_id = r.business_id
    JOIN businesses b ON b.id = d.business_id
    WHERE r.role_name = session_user AND NOT d.soft_delete AND d.decommissioned_at IS NULL
$function$

-- devices --
CREATE VIEW grafana.devices WITH (security_barrier) AS SELECT * FROM grafana.list_devices()

-- list_latest --
CREATE FUNCTION grafana.list_latest()
RETURNS TABLE (device_id uuid, device text, business text, status text, "time" timestamptz, {metrics, NAME double precision})
LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $function$
    SELECT d.id, d.device_name, b.business_name, d.status, d.current_collected_at,
           {metrics, grafana.number_of(d.current_metrics, 'NAME')}
    FROM grafana.roles r
    JOIN agent_devices d ON r.sees_all OR d.business_id = r.business_id
    JOIN businesses b ON b.id = d.business_id
    WHERE r.role_name = session_user AND NOT d.soft_delete AND d.decommissioned_at IS NULL
      AND d.current_collected_at IS NOT NULL
      AND (r.sees_all OR d.owned_since IS NULL OR d.current_collected_at >= d.owned_since)
$function$

-- latest --
CREATE VIEW grafana.latest WITH (security_barrier) AS SELECT * FROM grafana.list_latest()

-- list_alerts --
-- As annotations: `text` and `tags` are what Grafana shows beside the line.
CREATE FUNCTION grafana.list_alerts()
RETURNS TABLE ("time" timestamptz, timeend timestamptz, device_id uuid, device text, business text, rule text, severity text,
               status text, instance text, value double precision, text text, tags text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $function$
    SELECT h.triggered_at, h.resolved_at, d.id, d.device_name, b.business_name, a.alert_name, h.severity, h.status,
           h.instance, h.metric_value, COALESCE(h.alert_message, a.alert_name), h.severity
    FROM grafana.roles r
    JOIN agent_devices d ON r.sees_all OR d.business_id = r.business_id
    JOIN businesses b ON b.id = d.business_id
    JOIN agent_alert_history h ON h.agent_device_id = d.id
    JOIN agent_alerts a ON a.id = h.agent_alert_id
    WHERE r.role_name = session_user AND NOT d.soft_delete AND (r.sees_all OR h.former_owner IS NULL)
$function$

-- alerts --
CREATE VIEW grafana.alerts WITH (security_barrier) AS SELECT * FROM grafana.list_alerts()

-- level_for --
-- The level that a chart reads: the coarsest whose buckets are not wider than `every`, of those that are kept as far back as
-- `since`; its bucket (null: raw samples), and until when it is rolled up.
CREATE FUNCTION grafana.level_for(since timestamptz, every interval)
RETURNS TABLE (relation text, bucket interval, complete timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $function$
    WITH levels AS (
        SELECT l.relation, l.bucket, now() - s.keep AS oldest, max(s.keep) OVER () = s.keep AS is_longest
        FROM (VALUES ('raw', 'agent_metrics', NULL::interval), ('5m', 'agent_metrics_5m', interval '5 minutes'),
                     ('1h', 'agent_metrics_1h', interval '1 hour'), ('1d', 'agent_metrics_1d', interval '1 day')
             ) l (level, relation, bucket)
        JOIN agent_storage_levels s ON s.level = l.level
    )
    SELECT l.relation, l.bucket, GREATEST(_timescaledb_functions.to_timestamp(w.watermark), 'epoch')
    FROM levels l
    LEFT JOIN _timescaledb_catalog.continuous_agg c ON c.user_view_name = l.relation
    LEFT JOIN _timescaledb_catalog.continuous_aggs_watermark w ON w.mat_hypertable_id = c.mat_hypertable_id
    WHERE l.oldest <= since OR l.is_longest
    ORDER BY COALESCE(l.bucket, '0') <= every DESC, CASE WHEN l.bucket <= every THEN l.bucket END DESC NULLS LAST,
             l.bucket NULLS FIRST
    LIMIT 1
$function$

-- check_range --
-- Return the width of a point; raises where the range or the number of points can't be answered.
CREATE FUNCTION grafana.check_range(since timestamptz, until timestamptz, width interval) RETURNS interval
LANGUAGE plpgsql IMMUTABLE AS $function$
BEGIN
    IF since >= until OR until - since > interval '3660 days' OR width < interval '1 second' THEN
        RAISE invalid_parameter_value
            USING MESSAGE = 'a chart needs from < to, at most 3660 days, and points of at least one second';
    END IF;
    IF extract(epoch FROM until - since) / extract(epoch FROM width) > 11000 THEN
        RAISE invalid_parameter_value
            USING MESSAGE = format('%s to %s has more than 11000 points of %s', since, until, width),
                  HINT = 'Choose a wider interval or a shorter range.';
    END IF;
    RETURN width;
END $function$

-- rate --
-- A counter's growth per second over a point, counted from the last sample before it where that is near. A first value below
-- 0 is a break: how much the counter grew before it isn't known.
CREATE FUNCTION grafana.rate(
    first double precision, first_at timestamptz, last_at timestamptz, increase double precision,
    before double precision, before_at timestamptz, silence interval
) RETURNS double precision
LANGUAGE sql IMMUTABLE AS $function$
    SELECT CASE
        WHEN first IS NULL THEN NULL
        WHEN first >= 0 AND first_at - before_at <= silence THEN
            (increase + CASE WHEN first >= before THEN first - before ELSE first END)
            / NULLIF(extract(epoch FROM last_at - before_at), 0)::double precision
        ELSE increase / NULLIF(extract(epoch FROM last_at - first_at), 0)::double precision
    END
$function$

-- chart --
-- The points of a device, `every` wide or as wide as a bucket of the level that holds the range: rolled-up buckets as far as
-- they are complete, raw samples after them. Counters are rates per second. No rows for a device that the role may not see.
CREATE FUNCTION grafana.chart(device uuid, "from" timestamptz, "to" timestamptz, every interval)
RETURNS TABLE ("time" timestamptz, samples bigint,
               {gauges, NAME double precision, NAME_min double precision, NAME_max double precision},
               {counters, NAME_per_second double precision})
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $function$
DECLARE
    shown record;
    level record;
    width interval;
    silence interval;
    begins timestamptz;
    reads_from timestamptz;
    cut timestamptz;
BEGIN
    SELECT d.metrics_interval_seconds * interval '1 second' AS sample_every,
           CASE WHEN r.sees_all THEN '-infinity' ELSE COALESCE(d.owned_since, '-infinity') END AS since,
           (SELECT GREATEST(LEAST(d.late_from, d.late_before), now() - s.keep + interval '1 day')
            FROM agent_storage_levels s WHERE s.level = 'raw' AND LEAST(d.late_from, d.late_before) IS NOT NULL) AS late
    INTO shown
    FROM agent_devices d
    JOIN grafana.roles r ON r.role_name = session_user AND (r.sees_all OR r.business_id = d.business_id)
    WHERE d.id = chart.device AND NOT d.soft_delete;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    SELECT * INTO level FROM grafana.level_for("from", every);
    width := grafana.check_range("from", "to", COALESCE(
        level.bucket * GREATEST(1, ceil(extract(epoch FROM every) / extract(epoch FROM level.bucket)))::integer, every));
    silence := GREATEST(3 * shown.sample_every, width);
    begins := time_bucket(width, "from");
    reads_from := begins - silence;
    cut := LEAST(level.complete, time_bucket(level.bucket, shown.late));
    cut := CASE WHEN level.bucket IS NULL THEN reads_from ELSE GREATEST(reads_from, cut) END;
    RETURN QUERY EXECUTE format($query$
        WITH pieces AS (
            SELECT bucket AS at, sample_count,
                   {gauges, NAME_sum, NAME_count::double precision, NAME_min, NAME_max},
                   {counters, NAME_first, counter_value(NAME_last) AS NAME_last, NAME_increase, NAME_first_at, NAME_last_at}
            FROM %I
            WHERE agent_device_id = $1 AND bucket >= $2 AND bucket < $3 AND bucket < $4 AND bucket >= $7
            UNION ALL
            SELECT collected_at, 1,
                   {gauges, NAME::double precision, num_nonnulls(NAME)::double precision, NAME::double precision, NAME::double precision},
                   {counters, NAME::double precision, counter_value(NAME), 0, CASE WHEN NAME IS NOT NULL THEN collected_at END, CASE WHEN NAME IS NOT NULL THEN collected_at END}
            FROM agent_metrics
            WHERE agent_device_id = $1 AND collected_at >= $3 AND collected_at < $4 AND collected_at >= $7
        ), points AS (
            SELECT time_bucket($5, at) AS at, sum(sample_count)::bigint AS samples,
                   {gauges, sum(NAME_sum) / NULLIF(sum(NAME_count), 0) AS NAME, min(NAME_min) AS NAME_min, max(NAME_max) AS NAME_max},
                   {counters, first(NAME_first, at) FILTER (WHERE NAME_first IS NOT NULL) AS NAME_first, last(NAME_last, at) FILTER (WHERE NAME_last IS NOT NULL) AS NAME_last, min(NAME_first_at) AS NAME_first_at, max(NAME_last_at) AS NAME_last_at, counter_increase(NAME_first, NAME_last, NAME_increase ORDER BY at) AS NAME_increase}
            FROM pieces GROUP BY 1
        ), joined AS (
            SELECT p.*, {counters, lag(NAME_last) OVER w AS NAME_before, lag(NAME_last_at) OVER w AS NAME_before_at}
            FROM points p WINDOW w AS (ORDER BY at)
        )
        SELECT at, samples, {gauges, NAME, NAME_min, NAME_max},
               {counters, grafana.rate(NAME_first, NAME_first_at, NAME_last_at, NAME_increase, NAME_before, NAME_before_at, $6)}
        FROM joined WHERE at >= $8 ORDER BY at
    $query$, level.relation || CASE WHEN level.bucket IS NULL THEN '_5m' ELSE '' END)
    USING chart.device, reads_from, cut, "to", width, silence, shown.since, begins;
END $function$

-- fleet --
-- Averages over all devices that the role may see, from rolled-up buckets only: it ends where they do.
CREATE FUNCTION grafana.fleet("from" timestamptz, "to" timestamptz, every interval)
RETURNS TABLE ("time" timestamptz, business text, devices bigint, samples bigint,
               {gauges, NAME double precision, NAME_max double precision})
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $function$
DECLARE
    level record;
    width interval;
BEGIN
    SELECT * INTO level FROM grafana.level_for("from", GREATEST(every, interval '5 minutes'));
    width := grafana.check_range("from", "to", level.bucket
        * GREATEST(1, ceil(extract(epoch FROM every) / extract(epoch FROM level.bucket)))::integer);
    RETURN QUERY EXECUTE format($query$
        SELECT time_bucket($3, m.bucket) AS at, b.business_name, count(DISTINCT d.id), sum(m.sample_count)::bigint,
               {gauges, sum(m.NAME_sum) / NULLIF(sum(m.NAME_count), 0)::double precision, max(m.NAME_max)}
        FROM grafana.roles r
        JOIN agent_devices d ON r.sees_all OR d.business_id = r.business_id
        JOIN businesses b ON b.id = d.business_id
        JOIN %I m ON m.agent_device_id = d.id
        WHERE r.role_name = session_user AND NOT d.soft_delete
          AND m.bucket >= time_bucket($3, $1) AND m.bucket < $2
          AND (r.sees_all OR d.owned_since IS NULL OR m.bucket >= d.owned_since)
        GROUP BY 1, 2 ORDER BY 1, 2
    $query$, level.relation) USING "from", "to", width;
END $function$

-- keep_functions --
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA grafana FROM PUBLIC

-- grant_schema --
GRANT USAGE ON SCHEMA grafana TO rts_grafana

-- grant_views --
GRANT SELECT ON grafana.devices, grafana.latest, grafana.alerts TO rts_grafana

-- grant_functions --
GRANT EXECUTE ON FUNCTION
    grafana.list_devices(), grafana.list_latest(), grafana.list_alerts(), grafana.chart(uuid, timestamptz, timestamptz, interval),
    grafana.fleet(timestamptz, timestamptz, interval)
TO rts_grafana
