-- The schema of this product at head, for reading. `make schema` writes it from a migrated database; revisions in
-- db/migrations make the database itself. Columns, constraints and indexes are in the order of their names.

CREATE OR REPLACE FUNCTION agent_approval_stays()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    IF OLD.approval_required AND NOT NEW.approval_required THEN
        RAISE EXCEPTION 'approval_required of a command is not lowered' USING ERRCODE = 'check_violation';
    END IF;
    IF OLD.approved_at IS NULL AND NEW.approved_at IS NOT NULL AND NEW.approved_by IS NULL THEN
        RAISE EXCEPTION 'approved_at needs approved_by' USING ERRCODE = 'check_violation';
    END IF;
    IF NEW.requested_by IS DISTINCT FROM OLD.requested_by AND NEW.requested_by IS NOT NULL THEN
        RAISE EXCEPTION 'requested_by of a command does not change' USING ERRCODE = 'check_violation';
    END IF;
    IF OLD.approval_required AND OLD.approved_at IS NOT NULL AND (NEW.agent_device_id, NEW.command_type, NEW.command_params)
           IS DISTINCT FROM (OLD.agent_device_id, OLD.command_type, OLD.command_params) THEN
        RAISE EXCEPTION 'an approved command is not rewritten' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $function$
;

CREATE OR REPLACE FUNCTION agent_audit_digest(entry agent_audit)
 RETURNS bytea
 LANGUAGE sql
 STABLE
AS $function$
    SELECT sha256(convert_to(jsonb_build_array(
        entry.id, to_char(entry.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'), entry.actor_kind, entry.actor_id,
        host(entry.source), entry.action, entry.agent_device_id, entry.command_id, entry.details)::text, 'UTF8'))
$function$
;

CREATE OR REPLACE FUNCTION agent_audit_forget(until_at timestamp with time zone, most integer)
 RETURNS integer
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
DECLARE
    gone record;
BEGIN
    PERFORM agent_audit_permit();
    IF until_at > now() - interval '30 days' THEN
        RAISE EXCEPTION 'the audit trail is kept for 30 days at least' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    SELECT sum(s.row_count)::integer AS rows, max(s.id) AS id, max(s.last_id) AS last_id INTO gone
    FROM (SELECT s.*, bool_and(s.newest_at < until_at) OVER (ORDER BY s.id) AS is_old
          FROM agent_audit_seals s WHERE s.ids IS NOT NULL ORDER BY s.id LIMIT most) s
    WHERE s.is_old;
    IF gone.id IS NULL THEN
        RETURN 0;
    END IF;
    PERFORM set_config('audit_forget', 'on', true);
    DELETE FROM agent_audit WHERE id <= gone.last_id;
    DELETE FROM agent_audit_seals WHERE id < gone.id;
    UPDATE agent_audit_seals SET ids = NULL, digests = NULL WHERE id = gone.id;
    PERFORM set_config('audit_forget', '', true);
    INSERT INTO agent_audit (at, actor_kind, action, details)
    VALUES (clock_timestamp(), 'system', 'audit_rows_deleted',
            jsonb_build_object('before', until_at, 'rows', gone.rows, 'last_id', gone.last_id));
    RETURN gone.rows;
END $function$
;

CREATE OR REPLACE FUNCTION agent_audit_link(before bytea, ids bigint[], digests bytea[])
 RETURNS bytea
 LANGUAGE sql
 STABLE
AS $function$
    SELECT sha256(COALESCE(before, '') || convert_to(array_to_string(ids, ','), 'UTF8')
                  || string_agg(d.digest, ''::bytea ORDER BY d.place))
    FROM unnest(digests) WITH ORDINALITY AS d (digest, place)
$function$
;

CREATE OR REPLACE FUNCTION agent_audit_permit()
 RETURNS void
 LANGUAGE plpgsql
 STABLE
AS $function$
BEGIN
    IF NOT has_table_privilege(session_user, 'agent_audit', 'INSERT') THEN
        RAISE EXCEPTION 'this role may not write the audit trail' USING ERRCODE = 'insufficient_privilege';
    END IF;
END $function$
;

CREATE OR REPLACE FUNCTION agent_audit_readable(after_id bigint, most integer)
 RETURNS TABLE(id bigint, at timestamp with time zone, digest bytea)
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
DECLARE
    found_rows integer := 0;
BEGIN
    FOR id, at IN SELECT t.id, t.at FROM agent_audit t WHERE t.id > after_id ORDER BY t.id LOOP
        EXIT WHEN found_rows = most;
        BEGIN
            SELECT agent_audit_digest(t) INTO digest FROM agent_audit t WHERE t.id = agent_audit_readable.id;
            found_rows := found_rows + 1;
            RETURN NEXT;
        EXCEPTION WHEN OTHERS THEN
            INSERT INTO agent_isolated_faults AS f (task, item, reason, first_at, last_at, retry_at)
            VALUES ('audit seals', 'row:' || agent_audit_readable.id, left(SQLERRM, 1000), clock_timestamp(),
                    clock_timestamp(), clock_timestamp())
            ON CONFLICT (task, item) DO UPDATE SET attempts = f.attempts + 1, last_at = EXCLUDED.last_at,
                reason = EXCLUDED.reason, retry_at = EXCLUDED.retry_at;
        END;
    END LOOP;
END $function$
;

CREATE OR REPLACE FUNCTION agent_audit_refuse_change()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    IF current_setting('audit_forget', true) = 'on' THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION 'rows of % are never changed or deleted', TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege', HINT = 'RTS_AUDIT_DAYS sets how long the audit trail is kept.';
END $function$
;

CREATE OR REPLACE FUNCTION agent_audit_seal(most integer)
 RETURNS integer
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET lock_timeout TO '1s'
 SET search_path TO 'public', 'pg_temp'
AS $function$
DECLARE
    sealed record;
    before record;
BEGIN
    PERFORM agent_audit_permit();
    BEGIN
        LOCK TABLE agent_audit IN SHARE ROW EXCLUSIVE MODE;
    EXCEPTION WHEN lock_not_available THEN
        RETURN NULL;
    END;
    SELECT s.last_id, s.hash INTO before FROM agent_audit_seals s ORDER BY s.id DESC LIMIT 1;
    BEGIN
        SELECT count(*)::integer AS rows, max(r.id) AS last_id, max(r.at) AS newest_at,
               array_agg(r.id ORDER BY r.id) AS ids, array_agg(agent_audit_digest(r.entry) ORDER BY r.id) AS digests
        INTO sealed
        FROM (SELECT t.id, t.at, t AS entry FROM agent_audit t WHERE t.id > COALESCE(before.last_id, 0)
              ORDER BY t.id LIMIT most) r;
    EXCEPTION WHEN OTHERS THEN
        SELECT count(*)::integer AS rows, max(r.id) AS last_id, max(r.at) AS newest_at,
               array_agg(r.id ORDER BY r.id) AS ids, array_agg(r.digest ORDER BY r.id) AS digests
        INTO sealed
        FROM agent_audit_readable(COALESCE(before.last_id, 0), most) r;
    END;
    IF sealed.rows > 0 THEN
        INSERT INTO agent_audit_seals (sealed_at, last_id, newest_at, row_count, ids, digests, hash)
        VALUES (clock_timestamp(), sealed.last_id, sealed.newest_at, sealed.rows, sealed.ids, sealed.digests,
                agent_audit_link(before.hash, sealed.ids, sealed.digests));
    END IF;
    RETURN sealed.rows;
END $function$
;

CREATE OR REPLACE FUNCTION agent_charted_device(device uuid, tenant uuid, relations text[])
 RETURNS jsonb
 LANGUAGE plpgsql
 STABLE
 SET plan_cache_mode TO 'force_generic_plan'
AS $function$
BEGIN
    RETURN (
        SELECT jsonb_build_object(
            'business_id', d.business_id,
            'metrics_interval_seconds', d.metrics_interval_seconds,
            'owned_since', CASE WHEN tenant IS NOT NULL THEN d.owned_since END,
            'former', (SELECT jsonb_agg(jsonb_build_array(i.until_at, i.seconds) ORDER BY i.changed_at, i.id)
                       FROM agent_device_intervals i WHERE i.agent_device_id = d.id),
            'late_from', d.late_from,
            'late_at', d.late_at,
            'late_before', d.late_before,
            'late_since', d.late_since,
            'watermarks', (SELECT jsonb_object_agg(c.user_view_name,
                                                   GREATEST(_timescaledb_functions.to_timestamp(w.watermark), 'epoch'))
                           FROM _timescaledb_catalog.continuous_agg c
                           LEFT JOIN _timescaledb_catalog.continuous_aggs_watermark w
                             ON w.mat_hypertable_id = c.mat_hypertable_id
                           WHERE c.user_view_name = ANY (relations)))
        FROM agent_devices d
        WHERE d.id = device AND NOT d.soft_delete AND (tenant IS NULL OR d.business_id = tenant)
    );
END $function$
;

CREATE OR REPLACE FUNCTION agent_command_due()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    NEW.due_at := COALESCE(NEW.due_at, NEW.expires_at);
    RETURN NEW;
END $function$
;

CREATE OR REPLACE FUNCTION agent_device_changes_owner()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
DECLARE
    moved_at timestamptz := GREATEST(clock_timestamp(), OLD.owned_since + interval '1 microsecond');
BEGIN
    INSERT INTO agent_device_owners (agent_device_id, business_id, from_at, until_at)
    VALUES (OLD.id, OLD.business_id, COALESCE(OLD.owned_since, OLD.created_at), moved_at);
    NEW.owned_since := moved_at;
    NEW.current_metrics := NULL;
    NEW.current_collected_at := NULL;
    NEW.inventory_at := NULL;
    NEW.inventory_since := NULL;
    NEW.same_machine_as := NULL;
    IF NEW.service_location_id IS NOT DISTINCT FROM OLD.service_location_id THEN
        NEW.service_location_id := NULL;
    END IF;
    DELETE FROM agent_monitored_services WHERE agent_device_id = OLD.id;
    UPDATE agent_software_inventory
    SET is_active = false, removed_at = COALESCE(removed_at, GREATEST(moved_at, first_seen)),
        former_owner = OLD.business_id
    WHERE agent_device_id = OLD.id AND former_owner IS NULL;
    UPDATE agent_alert_history SET former_owner = OLD.business_id
    WHERE agent_device_id = OLD.id AND former_owner IS NULL;
    -- Another key, so that an alert under the new owner doesn't take this ticket up again.
    UPDATE agent_alert_tickets SET incident_key = left(incident_key, 150) || ':' || id
    WHERE agent_device_id = OLD.id AND business_id = OLD.business_id;
    UPDATE agent_alert_states SET reason = 'moved to another business' WHERE agent_device_id = OLD.id;
    UPDATE agent_events SET former_owner = OLD.business_id WHERE agent_device_id = OLD.id AND former_owner IS NULL;
    UPDATE agent_commands
    SET status = 'cancelled', changed_at = moved_at, due_at = NULL, completed_at = moved_at,
        cancel_requested_at = COALESCE(cancel_requested_at, moved_at),
        error_message = 'The device was moved to another business.'
    WHERE agent_device_id = OLD.id AND status IN ('pending', 'sent', 'executing');
    UPDATE agent_commands SET former_owner = OLD.business_id WHERE agent_device_id = OLD.id AND former_owner IS NULL;
    INSERT INTO agent_events (agent_device_id, event_type, occurred_at, received_at, data)
    VALUES (OLD.id, 'moved', moved_at, moved_at, '{}');
    RETURN NEW;
END $function$
;

CREATE OR REPLACE FUNCTION agent_drop_old_chunks(relation text, before timestamp with time zone)
 RETURNS bigint
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO '$user', 'public', 'pg_temp'
AS $function$
DECLARE
    dropped bigint;
BEGIN
    IF NOT has_table_privilege(session_user, 'agent_retention_changes', 'INSERT') THEN
        RAISE insufficient_privilege USING MESSAGE = 'permission denied to drop chunks';
    END IF;
    IF NOT EXISTS (
        SELECT FROM agent_storage_levels l
        WHERE relation = ANY (CASE l.level WHEN 'raw' THEN ARRAY['agent_metrics', 'agent_series_samples']
                              ELSE ARRAY['agent_metrics_' || l.level, 'agent_series_' || l.level] END)
          AND before <= now() - GREATEST(l.keep, (SELECT max(GREATEST(t.keep, t.former_keep)) FROM agent_tenant_ages t
                                                  WHERE t.level = l.level))
    ) THEN
        RAISE invalid_parameter_value USING MESSAGE = format('%s keeps chunks that end before %s', relation, before);
    END IF;
    SELECT count(*) INTO dropped FROM drop_chunks(relation::regclass, older_than => before);
    RETURN dropped;
END $function$
;

CREATE OR REPLACE FUNCTION agent_keep_names()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
DECLARE
    person_column text;
    person uuid;
    names jsonb := '{}';
BEGIN
    FOREACH person_column IN ARRAY TG_ARGV LOOP
        person := (to_jsonb(NEW) ->> person_column)::uuid;
        IF person IS NOT NULL THEN
            names := names || jsonb_build_object(person_column || '_name', (
                SELECT COALESCE(NULLIF(concat_ws(' ', p.found ->> 'first_name', p.found ->> 'last_name'), ''),
                                p.found ->> 'name', p.found ->> 'email')
                FROM (SELECT to_jsonb(e) AS found FROM employees e WHERE e.id = person) p));
        END IF;
    END LOOP;
    NEW := jsonb_populate_record(NEW, jsonb_strip_nulls(names)); -- who is gone by now keeps the name that is there
    RETURN NEW;
END $function$
;

CREATE OR REPLACE FUNCTION agent_person_name(person jsonb)
 RETURNS text
 LANGUAGE sql
 STABLE PARALLEL SAFE
RETURN COALESCE(NULLIF(concat_ws(' '::text, (person ->> 'first_name'::text), (person ->> 'last_name'::text)), ''::text), (person ->> 'name'::text), (person ->> 'email'::text))
;

CREATE OR REPLACE PROCEDURE agent_refresh_rollup(IN job_id integer, IN config jsonb)
 LANGUAGE plpgsql
AS $procedure$
DECLARE
    rollup regclass := format('%I.%I', config ->> 'schema', config ->> 'relation')::regclass;
    ends timestamptz := now() - (config ->> 'end_offset')::interval;
    begins timestamptz := now() - (config ->> 'start_offset')::interval;
    source record;
    oldest timestamptz;
    kept_from timestamptz;
BEGIN
    SELECT COALESCE(c.materialization_hypertable_schema, n.schema) AS schema,
           COALESCE(c.materialization_hypertable_name, n.relation) AS relation
    INTO source
    FROM (VALUES (config ->> 'schema', config ->> 'source')) AS n (schema, relation)
    LEFT JOIN timescaledb_information.continuous_aggregates c
      ON (c.view_schema, c.view_name) = (n.schema, n.relation);
    SELECT min(k.range_start) INTO oldest
    FROM timescaledb_information.chunks k
    WHERE (k.hypertable_schema, k.hypertable_name) = (source.schema, source.relation);
    SELECT max(now() - (j.config ->> 'drop_after')::interval) INTO kept_from
    FROM timescaledb_information.jobs j
    WHERE j.proc_name = 'policy_retention'
      AND j.hypertable_name IN (source.relation, agent_refresh_rollup.config ->> 'source');
    IF oldest IS NULL THEN
        RETURN; -- nothing to compute from
    END IF;
    begins := GREATEST(begins, oldest, kept_from);
    IF ends - begins < 2 * (config ->> 'bucket')::interval THEN
        RETURN; -- not one whole bucket
    END IF;
    CALL refresh_continuous_aggregate(rollup, begins, ends, options => '{"buckets_per_batch": 0}');
END $procedure$
;

CREATE OR REPLACE FUNCTION agent_series_merged(newer agent_series_newest, older agent_series_newest)
 RETURNS agent_series_newest
 LANGUAGE sql
 STABLE
AS $function$
    SELECT newer.agent_device_id, newer.metric, newer.collected_at, newer.is_counter, max(value),
           array_agg(id ORDER BY id), array_agg(value ORDER BY id), array_agg(at ORDER BY id)
    FROM (
        SELECT * FROM unnest(newer.series_ids, newer.series_values, newer.series_times) AS n (id, value, at)
        UNION ALL
        SELECT * FROM unnest(older.series_ids, older.series_values, older.series_times) AS o (id, value, at)
        WHERE NOT o.id = ANY (newer.series_ids) AND o.at > newer.collected_at - interval '1 day'
    ) merged
$function$
;

CREATE OR REPLACE FUNCTION agent_set_policy(policy_job integer, is_scheduled boolean, value_name text DEFAULT NULL::text, value interval DEFAULT NULL::interval, starts timestamp with time zone DEFAULT NULL::timestamp with time zone)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO '$user', 'public', 'pg_temp'
AS $function$
BEGIN
    IF NOT has_table_privilege(session_user, 'agent_retention_changes', 'INSERT') THEN
        RAISE insufficient_privilege USING MESSAGE = 'permission denied to change storage policies';
    END IF;
    IF value_name NOT IN ('drop_after', 'start_offset') THEN
        RAISE invalid_parameter_value USING MESSAGE = 'only drop_after and start_offset can be set';
    END IF;
    PERFORM alter_job(j.job_id, scheduled => is_scheduled, next_start => starts,
                      config => CASE WHEN value_name IS NULL THEN j.config
                                     ELSE jsonb_set(j.config, ARRAY[value_name], to_jsonb(value::text)) END)
    FROM agent_storage_jobs() j
    WHERE j.job_id = policy_job AND j.kind <> 'columnstore';
    IF NOT FOUND THEN
        RAISE invalid_parameter_value USING MESSAGE = 'no retention or refresh policy has this job id';
    END IF;
END $function$
;

CREATE OR REPLACE FUNCTION agent_software_rule(name text, version text)
 RETURNS TABLE(rule_id uuid, rule_date date, rule_latest text)
 LANGUAGE sql
 STABLE
AS $function$
    SELECT r.id, r.eol_date, r.latest_available_version
    FROM (SELECT left(lower($1), n) AS start FROM generate_series(0, 16) n OFFSET 0) b,
         LATERAL (SELECT * FROM agent_software_eol e
                  WHERE e.name_start = b.start AND e.deleted_at IS NULL OFFSET 0) r
    WHERE lower($1) COLLATE "C" LIKE r.name_pattern AND agent_software_version_fits($2, r.version_prefix)
    ORDER BY length(r.version_prefix) DESC, length(replace(r.software_name, '*', '')) DESC, length(r.software_name), r.id
    LIMIT 1
$function$
;

CREATE OR REPLACE FUNCTION agent_software_version_fits(version text, prefix text)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE
AS $function$
    SELECT prefix = ''
        OR COALESCE(starts_with(version, prefix) AND substr(version, length(prefix) + 1, 1) !~ '[[:alnum:]]', false)
$function$
;

CREATE OR REPLACE FUNCTION agent_storage_jobs()
 RETURNS TABLE(job_id integer, relation text, kind text, procedure text, scheduled boolean, every interval, config jsonb)
 LANGUAGE sql
 STABLE
AS $function$
    SELECT j.job_id, COALESCE(c.view_name, j.hypertable_name, j.config ->> 'relation')::text,
           CASE j.proc_name WHEN 'policy_retention' THEN 'retention' WHEN 'policy_compression' THEN 'columnstore'
                            WHEN 'agent_refresh_rollup' THEN 'refresh' ELSE 'unbounded refresh' END,
           j.proc_name::text, j.scheduled, j.schedule_interval, j.config
    FROM timescaledb_information.jobs j
    LEFT JOIN timescaledb_information.continuous_aggregates c
      ON (j.hypertable_schema, j.hypertable_name) IN (
          (c.materialization_hypertable_schema, c.materialization_hypertable_name), (c.view_schema, c.view_name))
    WHERE j.proc_name IN ('policy_retention', 'policy_compression', 'agent_refresh_rollup',
                          'policy_refresh_continuous_aggregate')
$function$
;

CREATE OR REPLACE FUNCTION agent_wake_live()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    IF TG_LEVEL = 'ROW' THEN
        PERFORM pg_notify('rts_live', TG_ARGV[0]);
    ELSIF EXISTS (SELECT FROM written) THEN
        PERFORM pg_notify('rts_live', TG_ARGV[0]);
    END IF;
    RETURN NULL;
END $function$
;

CREATE OR REPLACE FUNCTION alert_beyond(value double precision, is_up boolean, is_strict boolean, threshold double precision)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE
AS $function$
    SELECT CASE WHEN is_up THEN value > threshold ELSE value < threshold END OR (NOT is_strict AND value = threshold)
$function$
;

CREATE OR REPLACE FUNCTION alert_growth(days date[], highs double precision[], is_percent boolean)
 RETURNS TABLE(newest double precision, slope_per_day double precision, day_count integer, since date)
 LANGUAGE sql
 STABLE ROWS 1
AS $function$
    WITH daily AS (
        SELECT d.day, d.highest, lag(d.highest) OVER (ORDER BY d.day) AS before
        FROM unnest(days, highs) AS d (day, highest)
        WHERE d.highest IS NOT NULL
    ), fallen AS (
        SELECT d.day, d.highest,
               COALESCE(d.before - d.highest > CASE WHEN is_percent THEN 10 ELSE 0.1 * abs(d.before) END, false) AS fell
        FROM daily d
    ), tooth AS MATERIALIZED (
        SELECT f.day, f.highest, f.fell, count(*) FILTER (WHERE f.fell) OVER (ORDER BY f.day) AS number FROM fallen f
    ), era AS MATERIALIZED (
        SELECT COALESCE(max(t.day) FILTER (WHERE t.fell), min(t.day)) AS since, count(*) FILTER (WHERE t.fell) AS drops
        FROM tooth t
    ), peak AS MATERIALIZED (
        SELECT t.number, max(t.highest) AS highest, last(t.day, t.highest) AS day
        FROM tooth t CROSS JOIN era e
        WHERE e.drops >= 2 AND t.number < e.drops
        GROUP BY t.number
    ), rise AS (
        SELECT count(*) AS pairs, max(b.highest) AS highest,
               percentile_cont(0.5) WITHIN GROUP (ORDER BY (b.highest - a.highest) / GREATEST(b.day - a.day, 1)) AS median,
               percentile_cont(0.25) WITHIN GROUP (ORDER BY (b.highest - a.highest) / GREATEST(b.day - a.day, 1))
                   AS quarter
        FROM peak a JOIN peak b ON b.number > a.number
    ), point AS MATERIALIZED (
        SELECT t.day, t.highest FROM tooth t CROSS JOIN era e WHERE t.day >= e.since
    ), slope AS (
        SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY (b.highest - a.highest) / (b.day - a.day)) AS median,
               percentile_cont(0.25) WITHIN GROUP (ORDER BY (b.highest - a.highest) / (b.day - a.day)) AS quarter
        FROM point a JOIN point b ON b.day > a.day
    ), known AS (
        SELECT last(p.highest, p.day) AS newest, count(*)::integer AS days FROM point p
    )
    SELECT CASE WHEN r.quarter > 0 THEN GREATEST(k.newest, r.highest) ELSE k.newest END,
           CASE WHEN r.pairs > 0 THEN CASE WHEN r.quarter > 0 THEN r.median ELSE 0 END
                WHEN k.days < 5 THEN 0 WHEN s.quarter > 0 THEN s.median ELSE LEAST(s.median, 0) END,
           k.days, e.since
    FROM known k CROSS JOIN era e CROSS JOIN rise r CROSS JOIN slope s
    WHERE k.days >= 5 OR e.drops > 0
$function$
;

CREATE OR REPLACE FUNCTION alert_hour_of_week(at timestamp with time zone)
 RETURNS integer
 LANGUAGE sql
 STABLE
AS $function$
    SELECT ((extract(isodow FROM at AT TIME ZONE 'UTC') - 1) * 24 + extract(hour FROM at AT TIME ZONE 'UTC'))::integer
$function$
;

CREATE OR REPLACE FUNCTION alert_known_zone(zone text, fallback text)
 RETURNS text
 LANGUAGE plpgsql
 STABLE
AS $function$
BEGIN
    PERFORM timestamptz '2000-01-01 00:00+00' AT TIME ZONE zone;
    RETURN COALESCE(zone, fallback);
EXCEPTION WHEN others THEN
    RETURN fallback;
END
$function$
;

CREATE OR REPLACE FUNCTION alert_local_hour_of_week(at timestamp with time zone, zone text)
 RETURNS integer
 LANGUAGE sql
 STABLE
AS $function$
    SELECT ((extract(isodow FROM at AT TIME ZONE zone) - 1) * 24 + extract(hour FROM at AT TIME ZONE zone))::integer
$function$
;

CREATE OR REPLACE FUNCTION alert_number(value jsonb)
 RETURNS double precision
 LANGUAGE sql
 IMMUTABLE
AS $function$
    SELECT CASE WHEN jsonb_typeof(value) = 'number' AND abs(value::numeric) < 1e300
                THEN (CASE WHEN abs(value::numeric) < 1e-300 THEN 0 ELSE value::numeric END)::double precision END
$function$
;

CREATE OR REPLACE FUNCTION alert_pairs(leaves jsonb, tenant uuid, among uuid[] DEFAULT NULL::uuid[])
 RETURNS TABLE(rule_id uuid, leaf integer, device_id uuid, every interval, feature integer, is_up boolean, is_strict boolean, value_threshold double precision, last_threshold double precision, recovery double precision, by_value boolean, span interval, name text, deviations double precision, floor double precision, now_value double precision)
 LANGUAGE sql
 STABLE ROWS 10000
AS $function$
    WITH leaf AS MATERIALIZED (
        SELECT *
        FROM jsonb_to_recordset(leaves) AS l (
            rule_id uuid, leaf integer, business_id uuid, service_location_id uuid, device_id uuid, device_type text,
            feature integer, is_up boolean, is_strict boolean, value_threshold double precision,
            last_threshold double precision, recovery double precision, by_value boolean, window_seconds double precision,
            name text, deviations double precision, floor double precision, newest_of text)
    ), former AS MATERIALIZED (
        SELECT i.agent_device_id, max(i.seconds) AS seconds
        FROM agent_device_intervals i
        WHERE i.until_at IS NULL OR i.until_at > now() - interval '2 days'
        GROUP BY i.agent_device_id
    ), device AS MATERIALIZED (
        SELECT d.id, d.business_id, d.service_location_id, d.device_type, d.current_metrics,
               GREATEST(d.metrics_interval_seconds, f.seconds) * interval '1 second' AS every
        FROM agent_devices d
        LEFT JOIN former f ON f.agent_device_id = d.id
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
$function$
;

CREATE OR REPLACE FUNCTION counter_growth(before double precision, value double precision)
 RETURNS double precision
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN (value >= before) THEN (value - before) WHEN ((value < (0)::double precision) OR ((before IS NULL) AND (value IS NOT NULL))) THEN (0)::double precision ELSE value END
;

CREATE OR REPLACE FUNCTION counter_increase_add(state point, piece_first double precision, piece_last double precision, piece_increase double precision)
 RETURNS point
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE STRICT
AS $function$
BEGIN
    IF piece_last < 0 THEN
        piece_last := -piece_last - 1;
    END IF;
    IF piece_first >= state[1] THEN
        RETURN point(state[0] + piece_increase + piece_first - state[1], piece_last);
    ELSIF state[1] = 'infinity' THEN
        RETURN point(piece_increase, piece_last);
    ELSIF piece_first < 0 THEN
        RETURN point(state[0] + piece_increase, piece_last);
    END IF;
    RETURN point(state[0] + piece_increase + piece_first, piece_last);
END $function$
;

CREATE OR REPLACE FUNCTION counter_increase_of_samples(samples double precision[])
 RETURNS double precision
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
AS $function$
DECLARE
    total double precision;
    previous double precision;
    value double precision;
BEGIN
    FOREACH value IN ARRAY samples LOOP
        IF value >= previous THEN
            total := total + value - previous;
            previous := value;
        ELSIF value IS NULL THEN
            CONTINUE;
        ELSIF previous IS NULL THEN
            total := 0;
            previous := CASE WHEN value < 0 THEN -value - 1 ELSE value END;  -- a break: ingest/counter_breaks.py
        ELSIF value < 0 THEN
            previous := -value - 1;
        ELSE
            total := total + value;
            previous := value;
        END IF;
    END LOOP;
    RETURN total;
END $function$
;

CREATE OR REPLACE FUNCTION counter_increase_sum(state point)
 RETURNS double precision
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN ((state)[1] <> 'Infinity'::double precision) THEN (state)[0] ELSE NULL::double precision END
;

CREATE OR REPLACE FUNCTION counter_value(stored double precision)
 RETURNS double precision
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN (stored < (0)::double precision) THEN ((- stored) - (1)::double precision) ELSE stored END
;

CREATE AGGREGATE counter_increase (double precision, double precision, double precision) (SFUNC = counter_increase_add, STYPE = point, FINALFUNC = counter_increase_sum);

CREATE TABLE agent_alert_history (
    acknowledged_at timestamp with time zone,
    acknowledged_by uuid,
    acknowledged_by_name text,
    acknowledgement_note text,
    agent_alert_id uuid NOT NULL,
    agent_alert_ticket_id uuid,
    agent_device_id uuid NOT NULL,
    alert_message text,
    former_owner uuid,
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    instance text NOT NULL DEFAULT ''::text,
    metric_value double precision,
    notification_sent boolean NOT NULL DEFAULT false,
    notification_sent_at timestamp with time zone,
    resolution_notes text,
    resolved_at timestamp with time zone,
    resolved_by uuid,
    resolved_by_name text,
    resolved_value double precision,
    service_request_created uuid,
    severity text NOT NULL,
    snoozed_until timestamp with time zone,
    status text NOT NULL DEFAULT 'active'::text,
    threshold_value double precision,
    ticket_note text,
    triggered_at timestamp with time zone NOT NULL,
    CONSTRAINT agent_alert_history_pkey PRIMARY KEY (id),
    CONSTRAINT agent_alert_history_acknowledged_by_fkey FOREIGN KEY (acknowledged_by) REFERENCES employees(id) ON DELETE SET NULL,
    CONSTRAINT agent_alert_history_agent_alert_id_fkey FOREIGN KEY (agent_alert_id) REFERENCES agent_alerts(id) ON DELETE CASCADE,
    CONSTRAINT agent_alert_history_agent_alert_ticket_id_fkey FOREIGN KEY (agent_alert_ticket_id) REFERENCES agent_alert_tickets(id) ON DELETE SET NULL,
    CONSTRAINT agent_alert_history_agent_device_id_fkey FOREIGN KEY (agent_device_id) REFERENCES agent_devices(id) ON DELETE CASCADE,
    CONSTRAINT agent_alert_history_former_owner_fkey FOREIGN KEY (former_owner) REFERENCES businesses(id) ON DELETE CASCADE,
    CONSTRAINT agent_alert_history_resolved_by_fkey FOREIGN KEY (resolved_by) REFERENCES employees(id) ON DELETE SET NULL,
    CONSTRAINT agent_alert_history_service_request_created_fkey FOREIGN KEY (service_request_created) REFERENCES service_requests(id) ON DELETE SET NULL,
    CONSTRAINT agent_alert_history_acknowledgement_note_check CHECK ((length(acknowledgement_note) <= 2000)),
    CONSTRAINT agent_alert_history_instance_check CHECK ((length(instance) <= 255)),
    CONSTRAINT agent_alert_history_severity_check CHECK ((severity = ANY (ARRAY['info'::text, 'warning'::text, 'critical'::text]))),
    CONSTRAINT agent_alert_history_status_check CHECK ((status = ANY (ARRAY['active'::text, 'acknowledged'::text, 'resolved'::text, 'auto_resolved'::text]))),
    CONSTRAINT agent_alert_history_ticket_note_check CHECK ((length(ticket_note) <= 1000))
);

CREATE INDEX agent_alert_history_by_acknowledger ON agent_alert_history USING btree (acknowledged_by) WHERE (acknowledged_by IS NOT NULL);

CREATE INDEX agent_alert_history_by_device ON agent_alert_history USING btree (agent_device_id, triggered_at DESC);

CREATE INDEX agent_alert_history_by_request ON agent_alert_history USING btree (service_request_created) WHERE (service_request_created IS NOT NULL);

CREATE INDEX agent_alert_history_by_resolver ON agent_alert_history USING btree (resolved_by) WHERE (resolved_by IS NOT NULL);

CREATE INDEX agent_alert_history_by_ticket ON agent_alert_history USING btree (agent_alert_ticket_id) WHERE (agent_alert_ticket_id IS NOT NULL);

CREATE INDEX agent_alert_history_by_time ON agent_alert_history USING btree (triggered_at DESC, id DESC);

CREATE UNIQUE INDEX agent_alert_history_one_open ON agent_alert_history USING btree (agent_alert_id, agent_device_id, instance) WHERE (status = ANY (ARRAY['active'::text, 'acknowledged'::text]));

CREATE INDEX agent_alert_history_open ON agent_alert_history USING btree (agent_device_id) WHERE (status = ANY (ARRAY['active'::text, 'acknowledged'::text]));

CREATE TRIGGER agent_keep_names BEFORE UPDATE OF acknowledged_by, resolved_by ON agent_alert_history FOR EACH ROW EXECUTE FUNCTION agent_keep_names('acknowledged_by', 'resolved_by');

CREATE TRIGGER agent_wake_live AFTER UPDATE ON agent_alert_history REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION agent_wake_live('devices');

CREATE TRIGGER agent_wake_live_of_new AFTER INSERT ON agent_alert_history REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION agent_wake_live('devices');

CREATE TABLE agent_alert_late_looks (
    agent_device_id uuid NOT NULL,
    looked_at timestamp with time zone NOT NULL,
    CONSTRAINT agent_alert_late_looks_pkey PRIMARY KEY (agent_device_id),
    CONSTRAINT agent_alert_late_looks_agent_device_id_fkey FOREIGN KEY (agent_device_id) REFERENCES agent_devices(id) ON DELETE CASCADE
);

CREATE TABLE agent_alert_notifications (
    agent_alert_history_id uuid NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    channel text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    due_at timestamp with time zone,
    id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    kind text NOT NULL,
    last_error text,
    recipient text NOT NULL,
    sent_at timestamp with time zone,
    CONSTRAINT agent_alert_notifications_agent_alert_history_id_kind_chann_key UNIQUE (agent_alert_history_id, kind, channel, recipient),
    CONSTRAINT agent_alert_notifications_pkey PRIMARY KEY (id),
    CONSTRAINT agent_alert_notifications_agent_alert_history_id_fkey FOREIGN KEY (agent_alert_history_id) REFERENCES agent_alert_history(id) ON DELETE CASCADE,
    CONSTRAINT agent_alert_notifications_channel_check CHECK ((channel = ANY (ARRAY['webhook'::text, 'email'::text]))),
    CONSTRAINT agent_alert_notifications_kind_check CHECK ((kind = ANY (ARRAY['firing'::text, 'resolved'::text]))),
    CONSTRAINT agent_alert_notifications_recipient_check CHECK (((length(recipient) >= 1) AND (length(recipient) <= 2000)))
);

CREATE INDEX agent_alert_notifications_by_time ON agent_alert_notifications USING brin (created_at) WITH (pages_per_range='32');

CREATE INDEX agent_alert_notifications_due ON agent_alert_notifications USING btree (due_at) WHERE (due_at IS NOT NULL);

CREATE TABLE agent_alert_passes (
    at timestamp with time zone,
    changed integer,
    one boolean NOT NULL DEFAULT true,
    resumed_at timestamp with time zone,
    rules integer,
    seconds double precision,
    statements integer,
    CONSTRAINT agent_alert_passes_pkey PRIMARY KEY (one),
    CONSTRAINT agent_alert_passes_one_check CHECK (one)
);

CREATE TABLE agent_alert_states (
    agent_alert_id uuid NOT NULL,
    agent_device_id uuid NOT NULL,
    evaluated_at timestamp with time zone NOT NULL,
    history_id uuid,
    instance text NOT NULL DEFAULT ''::text,
    reason text NOT NULL,
    since timestamp with time zone NOT NULL,
    state text NOT NULL,
    value double precision,
    CONSTRAINT agent_alert_states_pkey PRIMARY KEY (agent_alert_id, agent_device_id, instance),
    CONSTRAINT agent_alert_states_agent_alert_id_fkey FOREIGN KEY (agent_alert_id) REFERENCES agent_alerts(id) ON DELETE CASCADE,
    CONSTRAINT agent_alert_states_agent_device_id_fkey FOREIGN KEY (agent_device_id) REFERENCES agent_devices(id) ON DELETE CASCADE,
    CONSTRAINT agent_alert_states_history_id_fkey FOREIGN KEY (history_id) REFERENCES agent_alert_history(id) ON DELETE SET NULL,
    CONSTRAINT agent_alert_states_instance_check CHECK ((length(instance) <= 255)),
    CONSTRAINT agent_alert_states_state_check CHECK ((state = ANY (ARRAY['pending'::text, 'firing'::text, 'recovering'::text, 'no_data'::text, 'error'::text])))
) WITH (fillfactor=80);

CREATE INDEX agent_alert_states_by_device ON agent_alert_states USING btree (agent_device_id, state);

CREATE INDEX agent_alert_states_by_history ON agent_alert_states USING btree (history_id) WHERE (history_id IS NOT NULL);

CREATE TABLE agent_alert_tickets (
    agent_alert_id uuid NOT NULL,
    agent_device_id uuid,
    attempts integer NOT NULL DEFAULT 0,
    business_id uuid NOT NULL,
    closed_at timestamp with time zone,
    created_at timestamp with time zone NOT NULL,
    description text NOT NULL,
    due_at timestamp with time zone,
    fault_reason text,
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    incident_key text NOT NULL,
    last_error text,
    opened_at timestamp with time zone,
    seen_status_id uuid,
    seen_updated_at timestamp with time zone,
    service_location_id uuid,
    service_request_id uuid,
    severity text NOT NULL,
    state text NOT NULL DEFAULT 'waiting'::text,
    title text NOT NULL,
    wanted text NOT NULL,
    was_touched boolean NOT NULL DEFAULT false,
    CONSTRAINT agent_alert_tickets_pkey PRIMARY KEY (id),
    CONSTRAINT agent_alert_tickets_agent_alert_id_fkey FOREIGN KEY (agent_alert_id) REFERENCES agent_alerts(id) ON DELETE CASCADE,
    CONSTRAINT agent_alert_tickets_agent_device_id_fkey FOREIGN KEY (agent_device_id) REFERENCES agent_devices(id) ON DELETE CASCADE,
    CONSTRAINT agent_alert_tickets_business_id_fkey FOREIGN KEY (business_id) REFERENCES businesses(id) ON DELETE CASCADE,
    CONSTRAINT agent_alert_tickets_service_location_id_fkey FOREIGN KEY (service_location_id) REFERENCES service_locations(id) ON DELETE SET NULL,
    CONSTRAINT agent_alert_tickets_service_request_id_fkey FOREIGN KEY (service_request_id) REFERENCES service_requests(id) ON DELETE SET NULL,
    CONSTRAINT agent_alert_tickets_fault_reason_check CHECK ((length(fault_reason) <= 40)),
    CONSTRAINT agent_alert_tickets_incident_key_check CHECK (((length(incident_key) >= 1) AND (length(incident_key) <= 200))),
    CONSTRAINT agent_alert_tickets_severity_check CHECK ((severity = ANY (ARRAY['info'::text, 'warning'::text, 'critical'::text]))),
    CONSTRAINT agent_alert_tickets_state_check CHECK ((state = ANY (ARRAY['waiting'::text, 'open'::text, 'closed'::text, 'kept'::text]))),
    CONSTRAINT agent_alert_tickets_title_check CHECK (((length(title) >= 1) AND (length(title) <= 255))),
    CONSTRAINT agent_alert_tickets_wanted_check CHECK ((wanted = ANY (ARRAY['open'::text, 'closed'::text])))
);

CREATE INDEX agent_alert_tickets_by_device ON agent_alert_tickets USING btree (agent_device_id) WHERE (agent_device_id IS NOT NULL);

CREATE INDEX agent_alert_tickets_by_key ON agent_alert_tickets USING btree (incident_key, created_at DESC);

CREATE INDEX agent_alert_tickets_by_request ON agent_alert_tickets USING btree (service_request_id) WHERE (service_request_id IS NOT NULL);

CREATE INDEX agent_alert_tickets_by_rule ON agent_alert_tickets USING btree (agent_alert_id, agent_device_id, closed_at DESC);

CREATE INDEX agent_alert_tickets_due ON agent_alert_tickets USING btree (due_at) WHERE (due_at IS NOT NULL);

CREATE UNIQUE INDEX agent_alert_tickets_one_open ON agent_alert_tickets USING btree (incident_key) WHERE (wanted = 'open'::text);

CREATE TABLE agent_alert_transitions (
    agent_alert_id uuid NOT NULL,
    agent_device_id uuid NOT NULL,
    at timestamp with time zone NOT NULL,
    from_state text NOT NULL,
    id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    instance text NOT NULL DEFAULT ''::text,
    is_shadow boolean NOT NULL DEFAULT false,
    reason text NOT NULL,
    threshold double precision,
    to_state text NOT NULL,
    value double precision,
    CONSTRAINT agent_alert_transitions_pkey PRIMARY KEY (id),
    CONSTRAINT agent_alert_transitions_agent_alert_id_fkey FOREIGN KEY (agent_alert_id) REFERENCES agent_alerts(id) ON DELETE CASCADE,
    CONSTRAINT agent_alert_transitions_agent_device_id_fkey FOREIGN KEY (agent_device_id) REFERENCES agent_devices(id) ON DELETE CASCADE,
    CONSTRAINT agent_alert_transitions_instance_check CHECK ((length(instance) <= 255))
);

CREATE INDEX agent_alert_transitions_by_device ON agent_alert_transitions USING btree (agent_device_id, at DESC, id DESC);

CREATE INDEX agent_alert_transitions_by_rule ON agent_alert_transitions USING btree (agent_alert_id, at DESC, id DESC);

CREATE INDEX agent_alert_transitions_by_time ON agent_alert_transitions USING brin (at) WITH (pages_per_range='32');

CREATE TABLE agent_alerts (
    active_hours jsonb,
    agent_device_id uuid,
    alert_name text NOT NULL,
    alert_type text NOT NULL,
    business_id uuid,
    conditions jsonb NOT NULL,
    created_at timestamp with time zone NOT NULL DEFAULT now(),
    created_by uuid,
    created_by_name text,
    description text,
    device_type text,
    error_at timestamp with time zone,
    error_message text,
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    is_active boolean NOT NULL DEFAULT true,
    is_shadow boolean NOT NULL DEFAULT false,
    keep_firing_minutes double precision NOT NULL DEFAULT 5,
    last_triggered timestamp with time zone,
    notification_channels jsonb NOT NULL DEFAULT '[]'::jsonb,
    notification_enabled boolean NOT NULL DEFAULT true,
    notification_recipients jsonb NOT NULL DEFAULT '[]'::jsonb,
    service_location_id uuid,
    severity text NOT NULL,
    soft_delete boolean NOT NULL DEFAULT false,
    ticket_enabled boolean NOT NULL DEFAULT true,
    trigger_count integer NOT NULL DEFAULT 0,
    updated_at timestamp with time zone NOT NULL DEFAULT now(),
    CONSTRAINT agent_alerts_pkey PRIMARY KEY (id),
    CONSTRAINT agent_alerts_agent_device_id_fkey FOREIGN KEY (agent_device_id) REFERENCES agent_devices(id) ON DELETE CASCADE,
    CONSTRAINT agent_alerts_business_id_fkey FOREIGN KEY (business_id) REFERENCES businesses(id) ON DELETE CASCADE,
    CONSTRAINT agent_alerts_created_by_fkey FOREIGN KEY (created_by) REFERENCES employees(id) ON DELETE SET NULL,
    CONSTRAINT agent_alerts_service_location_id_fkey FOREIGN KEY (service_location_id) REFERENCES service_locations(id) ON DELETE CASCADE,
    CONSTRAINT agent_alerts_alert_name_check CHECK (((length(alert_name) >= 1) AND (length(alert_name) <= 255))),
    CONSTRAINT agent_alerts_alert_type_check CHECK (((length(alert_type) >= 1) AND (length(alert_type) <= 100))),
    CONSTRAINT agent_alerts_description_check CHECK ((length(description) <= 2000)),
    CONSTRAINT agent_alerts_device_type_check CHECK ((device_type = ANY (ARRAY['desktop'::text, 'server'::text, 'laptop'::text, 'vm'::text]))),
    CONSTRAINT agent_alerts_keep_firing_minutes_check CHECK (((keep_firing_minutes >= (0)::double precision) AND (keep_firing_minutes <= (1440)::double precision))),
    CONSTRAINT agent_alerts_severity_check CHECK ((severity = ANY (ARRAY['info'::text, 'warning'::text, 'critical'::text])))
);

CREATE INDEX agent_alerts_active ON agent_alerts USING btree (id) WHERE (is_active AND (NOT soft_delete));

CREATE INDEX agent_alerts_by_business ON agent_alerts USING btree (business_id, alert_name) WHERE (NOT soft_delete);

CREATE TRIGGER agent_keep_names BEFORE INSERT OR UPDATE OF created_by ON agent_alerts FOR EACH ROW EXECUTE FUNCTION agent_keep_names('created_by');

CREATE TABLE agent_audit (
    action text NOT NULL,
    actor_id uuid,
    actor_kind text NOT NULL,
    agent_device_id uuid,
    at timestamp with time zone NOT NULL,
    command_id uuid,
    details jsonb NOT NULL DEFAULT '{}'::jsonb,
    id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    source inet,
    CONSTRAINT agent_audit_pkey PRIMARY KEY (id),
    CONSTRAINT agent_audit_action_check CHECK (((length(action) >= 1) AND (length(action) <= 100))),
    CONSTRAINT agent_audit_actor_kind_check CHECK ((actor_kind = ANY (ARRAY['employee'::text, 'user'::text, 'agent'::text, 'system'::text, 'unknown'::text])))
);

CREATE INDEX agent_audit_by_action ON agent_audit USING btree (action, id DESC);

CREATE INDEX agent_audit_by_actor ON agent_audit USING btree (actor_id, id DESC) WHERE (actor_id IS NOT NULL);

CREATE INDEX agent_audit_by_business ON agent_audit USING btree (((details ->> 'business_id'::text)), id DESC) WHERE ((details ->> 'business_id'::text) IS NOT NULL);

CREATE INDEX agent_audit_by_command ON agent_audit USING btree (command_id, id) WHERE (command_id IS NOT NULL);

CREATE INDEX agent_audit_by_device ON agent_audit USING btree (agent_device_id, id DESC);

CREATE INDEX agent_audit_by_time ON agent_audit USING btree (at, id);

CREATE TRIGGER agent_audit_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON agent_audit FOR EACH STATEMENT EXECUTE FUNCTION agent_audit_refuse_change();

CREATE TRIGGER agent_wake_live AFTER INSERT ON agent_audit FOR EACH ROW WHEN (((new.agent_device_id IS NOT NULL) AND (new.command_id IS NULL) AND (new.action <> ALL (ARRAY['outputs_read'::text, 'commands_read'::text, 'inventory_read'::text])))) EXECUTE FUNCTION agent_wake_live('devices');

CREATE TABLE agent_audit_seals (
    digests bytea[],
    hash bytea NOT NULL,
    id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    ids bigint[],
    last_id bigint NOT NULL,
    newest_at timestamp with time zone NOT NULL,
    row_count integer NOT NULL,
    sealed_at timestamp with time zone NOT NULL,
    CONSTRAINT agent_audit_seals_last_id_key UNIQUE (last_id),
    CONSTRAINT agent_audit_seals_pkey PRIMARY KEY (id),
    CONSTRAINT agent_audit_seals_hash_check CHECK ((length(hash) = 32)),
    CONSTRAINT agent_audit_seals_row_count_check CHECK ((row_count > 0))
);

CREATE TRIGGER agent_audit_seals_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON agent_audit_seals FOR EACH STATEMENT EXECUTE FUNCTION agent_audit_refuse_change();

CREATE TABLE agent_backup_log (
    at timestamp with time zone NOT NULL,
    bytes bigint NOT NULL,
    details jsonb NOT NULL DEFAULT '{}'::jsonb,
    id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    is_good boolean NOT NULL,
    kind text NOT NULL,
    seconds double precision NOT NULL,
    CONSTRAINT agent_backup_log_pkey PRIMARY KEY (id),
    CONSTRAINT agent_backup_log_bytes_check CHECK ((bytes >= 0)),
    CONSTRAINT agent_backup_log_kind_check CHECK ((kind = ANY (ARRAY['backup'::text, 'restore'::text, 'drill'::text]))),
    CONSTRAINT agent_backup_log_seconds_check CHECK ((seconds >= (0)::double precision))
);

CREATE INDEX agent_backup_log_newest ON agent_backup_log USING btree (kind, at DESC);

CREATE TABLE agent_baselines (
    agent_device_id uuid NOT NULL,
    computed_at timestamp with time zone NOT NULL,
    distance double precision NOT NULL,
    hour_of_week smallint NOT NULL,
    median double precision NOT NULL,
    metric text NOT NULL,
    time_zone text NOT NULL DEFAULT 'UTC'::text,
    weeks integer NOT NULL,
    CONSTRAINT agent_baselines_pkey PRIMARY KEY (agent_device_id, metric, hour_of_week),
    CONSTRAINT agent_baselines_agent_device_id_fkey FOREIGN KEY (agent_device_id) REFERENCES agent_devices(id) ON DELETE CASCADE,
    CONSTRAINT agent_baselines_hour_of_week_check CHECK (((hour_of_week >= 0) AND (hour_of_week <= 167)))
);

CREATE TABLE agent_commands (
    agent_device_id uuid NOT NULL,
    answered_at timestamp with time zone,
    approval_required boolean NOT NULL DEFAULT false,
    approved_at timestamp with time zone,
    approved_by uuid,
    approved_by_name text,
    attempts integer NOT NULL DEFAULT 0,
    batch_id uuid,
    cancel_requested_at timestamp with time zone,
    changed_at timestamp with time zone NOT NULL DEFAULT now(),
    command_params jsonb NOT NULL DEFAULT '{}'::jsonb,
    command_type text NOT NULL,
    completed_at timestamp with time zone,
    created_at timestamp with time zone NOT NULL DEFAULT now(),
    due_at timestamp with time zone,
    error_message text,
    exit_code integer,
    expires_at timestamp with time zone NOT NULL DEFAULT (now() + '24:00:00'::interval),
    former_owner uuid,
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    progress_message text,
    progress_percent real,
    requested_by uuid,
    requested_by_name text,
    sent_at timestamp with time zone,
    started_at timestamp with time zone,
    status text NOT NULL DEFAULT 'pending'::text,
    stderr text,
    stderr_cut boolean NOT NULL DEFAULT false,
    stdout text,
    stdout_cut boolean NOT NULL DEFAULT false,
    timeout_seconds integer NOT NULL DEFAULT 300,
    CONSTRAINT agent_commands_pkey PRIMARY KEY (id),
    CONSTRAINT agent_commands_agent_device_id_fkey FOREIGN KEY (agent_device_id) REFERENCES agent_devices(id) ON DELETE CASCADE,
    CONSTRAINT agent_commands_approved_by_fkey FOREIGN KEY (approved_by) REFERENCES employees(id) ON DELETE SET NULL,
    CONSTRAINT agent_commands_former_owner_fkey FOREIGN KEY (former_owner) REFERENCES businesses(id) ON DELETE CASCADE,
    CONSTRAINT agent_commands_requested_by_fkey FOREIGN KEY (requested_by) REFERENCES employees(id) ON DELETE SET NULL,
    CONSTRAINT agent_commands_approval_signed CHECK (
CASE
    WHEN (approved_at IS NULL) THEN (approved_by IS NULL)
    ELSE ((approved_by IS NOT NULL) OR (approved_by_name IS NOT NULL))
END) NOT VALID,
    CONSTRAINT agent_commands_approved CHECK (((NOT approval_required) OR (approved_at IS NOT NULL) OR (status = ANY (ARRAY['pending'::text, 'cancelled'::text, 'expired'::text])))),
    CONSTRAINT agent_commands_command_type_check CHECK (((length(command_type) >= 1) AND (length(command_type) <= 100))),
    CONSTRAINT agent_commands_progress_message_check CHECK ((length(progress_message) <= 500)),
    CONSTRAINT agent_commands_progress_percent_check CHECK (((progress_percent >= (0)::double precision) AND (progress_percent <= (100)::double precision))),
    CONSTRAINT agent_commands_second_employee CHECK ((approved_by <> requested_by)),
    CONSTRAINT agent_commands_status_check CHECK ((status = ANY (ARRAY['pending'::text, 'sent'::text, 'executing'::text, 'completed'::text, 'failed'::text, 'timeout'::text, 'cancelled'::text, 'expired'::text]))),
    CONSTRAINT agent_commands_timeout_seconds_check CHECK ((timeout_seconds > 0))
);

CREATE INDEX agent_commands_by_approver ON agent_commands USING btree (approved_by) WHERE (approved_by IS NOT NULL);

CREATE INDEX agent_commands_by_batch ON agent_commands USING btree (batch_id, id) WHERE (batch_id IS NOT NULL);

CREATE INDEX agent_commands_by_device ON agent_commands USING btree (agent_device_id, created_at DESC, id DESC);

CREATE INDEX agent_commands_by_requester ON agent_commands USING btree (requested_by) WHERE (requested_by IS NOT NULL);

CREATE INDEX agent_commands_changed ON agent_commands USING btree (agent_device_id, changed_at);

CREATE INDEX agent_commands_due ON agent_commands USING btree (due_at) WHERE (due_at IS NOT NULL);

CREATE INDEX agent_commands_newest ON agent_commands USING btree (created_at DESC, id DESC);

CREATE INDEX agent_commands_pending ON agent_commands USING btree (agent_device_id, created_at) WHERE (status = 'pending'::text);

CREATE TRIGGER agent_command_due BEFORE INSERT ON agent_commands FOR EACH ROW WHEN (((new.due_at IS NULL) AND (new.status = 'pending'::text))) EXECUTE FUNCTION agent_command_due();

CREATE TRIGGER agent_keep_names BEFORE INSERT OR UPDATE OF requested_by, approved_by ON agent_commands FOR EACH ROW EXECUTE FUNCTION agent_keep_names('requested_by', 'approved_by');

CREATE TRIGGER agent_keeps_approval BEFORE UPDATE OF approval_required, approved_at, approved_by, requested_by, agent_device_id, command_type, command_params ON agent_commands FOR EACH ROW EXECUTE FUNCTION agent_approval_stays();

CREATE TRIGGER agent_wake_live AFTER UPDATE ON agent_commands REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION agent_wake_live('commands');

CREATE TRIGGER agent_wake_live_of_new AFTER INSERT ON agent_commands REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION agent_wake_live('commands');

CREATE TABLE agent_custom_metrics (
    business_id uuid NOT NULL,
    created_at timestamp with time zone NOT NULL,
    is_counter boolean NOT NULL,
    name text NOT NULL,
    unit text NOT NULL,
    CONSTRAINT agent_custom_metrics_pkey PRIMARY KEY (business_id, name),
    CONSTRAINT agent_custom_metrics_business_id_fkey FOREIGN KEY (business_id) REFERENCES businesses(id) ON DELETE CASCADE,
    CONSTRAINT agent_custom_metrics_name_check CHECK (((name ~~ 'custom.%'::text) AND (length(name) <= 100))),
    CONSTRAINT agent_custom_metrics_unit_check CHECK ((length(unit) <= 30))
);

CREATE TABLE agent_device_intervals (
    agent_device_id uuid NOT NULL,
    changed_at timestamp with time zone NOT NULL,
    id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    seconds integer NOT NULL,
    until_at timestamp with time zone,
    CONSTRAINT agent_device_intervals_pkey PRIMARY KEY (id),
    CONSTRAINT agent_device_intervals_agent_device_id_fkey FOREIGN KEY (agent_device_id) REFERENCES agent_devices(id) ON DELETE CASCADE,
    CONSTRAINT agent_device_intervals_seconds_check CHECK ((seconds > 0))
);

CREATE INDEX agent_device_intervals_by_device ON agent_device_intervals USING btree (agent_device_id, changed_at);

CREATE TABLE agent_device_owners (
    agent_device_id uuid NOT NULL,
    business_id uuid NOT NULL,
    from_at timestamp with time zone,
    id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    until_at timestamp with time zone NOT NULL,
    CONSTRAINT agent_device_owners_pkey PRIMARY KEY (id),
    CONSTRAINT agent_device_owners_agent_device_id_fkey FOREIGN KEY (agent_device_id) REFERENCES agent_devices(id) ON DELETE CASCADE,
    CONSTRAINT agent_device_owners_business_id_fkey FOREIGN KEY (business_id) REFERENCES businesses(id) ON DELETE CASCADE
);

CREATE INDEX agent_device_owners_by_device ON agent_device_owners USING btree (agent_device_id, until_at);

CREATE TABLE agent_devices (
    agent_last_updated timestamp with time zone,
    agent_token text,
    agent_version text,
    alerts_enabled boolean NOT NULL DEFAULT true,
    auto_remediation_enabled boolean NOT NULL DEFAULT false,
    boot_at timestamp with time zone,
    boot_before timestamp with time zone,
    boot_by_receipt timestamp with time zone,
    boot_changed_at timestamp with time zone,
    boot_fallen integer NOT NULL DEFAULT 0,
    boot_returns integer NOT NULL DEFAULT 0,
    business_id uuid NOT NULL,
    clock_off_since timestamp with time zone,
    clock_offset_seconds double precision,
    clock_shift interval NOT NULL DEFAULT '00:00:00'::interval,
    clock_told_at timestamp with time zone,
    clone_suspected_at timestamp with time zone,
    config_changed_at timestamp with time zone NOT NULL DEFAULT now(),
    cpu_model text,
    created_at timestamp with time zone NOT NULL DEFAULT now(),
    created_by uuid,
    created_by_name text,
    current_collected_at timestamp with time zone,
    current_metrics jsonb,
    decommission_reason text,
    decommissioned_at timestamp with time zone,
    deleted_at timestamp with time zone,
    device_name text NOT NULL,
    device_type text,
    enrolled_at timestamp with time zone,
    hostname text,
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    inventory_at timestamp with time zone,
    inventory_since timestamp with time zone,
    ip_address inet,
    is_active boolean NOT NULL DEFAULT true,
    last_heartbeat timestamp with time zone,
    last_metrics_received timestamp with time zone,
    late_at timestamp with time zone,
    late_before timestamp with time zone,
    late_from timestamp with time zone,
    late_since timestamp with time zone,
    mac_address text,
    metrics_interval_seconds integer NOT NULL DEFAULT 300,
    monitoring_enabled boolean NOT NULL DEFAULT true,
    os_architecture text,
    os_type text,
    os_version text,
    owned_since timestamp with time zone,
    previous_agent_token text,
    previous_token_until timestamp with time zone,
    reported_status text NOT NULL DEFAULT 'online'::text,
    rotation_requested_at timestamp with time zone,
    same_machine_as uuid,
    sample_lag interval,
    sample_lag_since timestamp with time zone,
    service_location_id uuid,
    soft_delete boolean NOT NULL DEFAULT false,
    status text NOT NULL DEFAULT 'offline'::text,
    status_changed_at timestamp with time zone,
    status_due_at timestamp with time zone,
    total_disk_gb double precision,
    total_memory_gb double precision,
    updated_at timestamp with time zone NOT NULL DEFAULT now(),
    CONSTRAINT agent_devices_agent_token_key UNIQUE (agent_token),
    CONSTRAINT agent_devices_previous_agent_token_key UNIQUE (previous_agent_token),
    CONSTRAINT agent_devices_pkey PRIMARY KEY (id),
    CONSTRAINT agent_devices_business_id_fkey FOREIGN KEY (business_id) REFERENCES businesses(id) ON DELETE CASCADE,
    CONSTRAINT agent_devices_created_by_fkey FOREIGN KEY (created_by) REFERENCES employees(id) ON DELETE SET NULL,
    CONSTRAINT agent_devices_same_machine_as_fkey FOREIGN KEY (same_machine_as) REFERENCES agent_devices(id) ON DELETE SET NULL,
    CONSTRAINT agent_devices_service_location_id_fkey FOREIGN KEY (service_location_id) REFERENCES service_locations(id) ON DELETE SET NULL,
    CONSTRAINT agent_devices_agent_token_check CHECK ((length(agent_token) = 64)) NOT VALID,
    CONSTRAINT agent_devices_agent_version_check CHECK ((length(agent_version) <= 64)),
    CONSTRAINT agent_devices_cpu_model_check CHECK ((length(cpu_model) <= 255)),
    CONSTRAINT agent_devices_decommission_reason_check CHECK ((length(decommission_reason) <= 500)),
    CONSTRAINT agent_devices_device_name_check CHECK (((length(device_name) >= 1) AND (length(device_name) <= 255))),
    CONSTRAINT agent_devices_device_type_check CHECK ((device_type = ANY (ARRAY['desktop'::text, 'server'::text, 'laptop'::text, 'vm'::text]))),
    CONSTRAINT agent_devices_hostname_check CHECK ((length(hostname) <= 255)),
    CONSTRAINT agent_devices_mac_address_check CHECK ((length(mac_address) <= 64)),
    CONSTRAINT agent_devices_metrics_interval_seconds_check CHECK (((metrics_interval_seconds >= 1) AND (metrics_interval_seconds <= 86400))),
    CONSTRAINT agent_devices_os_architecture_check CHECK ((length(os_architecture) <= 64)),
    CONSTRAINT agent_devices_os_type_check CHECK ((os_type = ANY (ARRAY['windows'::text, 'linux'::text, 'macos'::text]))),
    CONSTRAINT agent_devices_os_version_check CHECK ((length(os_version) <= 255)),
    CONSTRAINT agent_devices_previous_agent_token_check CHECK ((length(previous_agent_token) = 64)) NOT VALID,
    CONSTRAINT agent_devices_reported_status_check CHECK ((reported_status = ANY (ARRAY['online'::text, 'warning'::text, 'error'::text]))),
    CONSTRAINT agent_devices_status_check CHECK ((status = ANY (ARRAY['online'::text, 'warning'::text, 'offline'::text, 'error'::text, 'disabled'::text]))),
    CONSTRAINT agent_devices_total_disk_gb_check CHECK ((total_disk_gb >= (0)::double precision)),
    CONSTRAINT agent_devices_total_memory_gb_check CHECK ((total_memory_gb >= (0)::double precision))
) WITH (autovacuum_analyze_scale_factor=5, autovacuum_vacuum_scale_factor=2, fillfactor=60);

CREATE INDEX agent_devices_by_business ON agent_devices USING btree (business_id, device_name, id) WHERE (NOT soft_delete);

CREATE INDEX agent_devices_by_business_status ON agent_devices USING btree (business_id, status, device_name, id) WHERE (NOT soft_delete);

CREATE INDEX agent_devices_by_location ON agent_devices USING btree (service_location_id, device_name, id) WHERE (NOT soft_delete);

CREATE INDEX agent_devices_by_location_status ON agent_devices USING btree (service_location_id, status, device_name, id) WHERE (NOT soft_delete);

CREATE INDEX agent_devices_by_name ON agent_devices USING btree (device_name, id) WHERE (NOT soft_delete);

CREATE INDEX agent_devices_by_status ON agent_devices USING btree (status, device_name, id) WHERE (NOT soft_delete);

CREATE INDEX agent_devices_by_text ON agent_devices USING gin ((((device_name || '
'::text) || COALESCE(hostname, ''::text))) gin_trgm_ops);

CREATE INDEX agent_devices_clones ON agent_devices USING btree (device_name, id) WHERE ((clone_suspected_at IS NOT NULL) AND (NOT soft_delete));

CREATE INDEX agent_devices_status_due ON agent_devices USING btree (status_due_at) WHERE (status_due_at IS NOT NULL);

CREATE INDEX agent_devices_unconfirmed ON agent_devices USING btree (created_at) WHERE ((enrolled_at IS NULL) AND (agent_token IS NOT NULL) AND (NOT soft_delete));

CREATE TRIGGER agent_device_changes_owner BEFORE UPDATE OF business_id ON agent_devices FOR EACH ROW WHEN ((old.business_id IS DISTINCT FROM new.business_id)) EXECUTE FUNCTION agent_device_changes_owner();

CREATE TRIGGER agent_keep_names BEFORE INSERT OR UPDATE OF created_by ON agent_devices FOR EACH ROW EXECUTE FUNCTION agent_keep_names('created_by');

CREATE TABLE agent_erasure_devices (
    agent_device_id uuid NOT NULL,
    erased_at timestamp with time zone,
    erasure_id bigint NOT NULL,
    from_at timestamp with time zone,
    id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    series_ids integer[] NOT NULL DEFAULT '{}'::integer[],
    until_at timestamp with time zone,
    CONSTRAINT agent_erasure_devices_pkey PRIMARY KEY (id),
    CONSTRAINT agent_erasure_devices_erasure_id_fkey FOREIGN KEY (erasure_id) REFERENCES agent_erasures(id) ON DELETE CASCADE,
    CONSTRAINT agent_erasure_devices_check CHECK (((from_at IS NULL) = (until_at IS NULL)))
);

CREATE UNIQUE INDEX agent_erasure_devices_each ON agent_erasure_devices USING btree (erasure_id, agent_device_id, from_at) NULLS NOT DISTINCT;

CREATE TABLE agent_erasures (
    deleted jsonb NOT NULL DEFAULT '{}'::jsonb,
    devices integer NOT NULL DEFAULT 0,
    erased_at timestamp with time zone,
    id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    proven_at timestamp with time zone,
    reason text NOT NULL,
    recount jsonb,
    requested_at timestamp with time zone NOT NULL,
    requested_by text NOT NULL,
    state text NOT NULL DEFAULT 'waiting'::text,
    subject_id uuid,
    subject_kind text NOT NULL,
    CONSTRAINT agent_erasures_pkey PRIMARY KEY (id),
    CONSTRAINT agent_erasures_check CHECK (((subject_id IS NULL) = (subject_kind = 'orphans'::text))),
    CONSTRAINT agent_erasures_devices_check CHECK ((devices >= 0)),
    CONSTRAINT agent_erasures_reason_check CHECK (((length(reason) >= 1) AND (length(reason) <= 500))),
    CONSTRAINT agent_erasures_requested_by_check CHECK (((length(requested_by) >= 1) AND (length(requested_by) <= 200))),
    CONSTRAINT agent_erasures_state_check CHECK ((state = ANY (ARRAY['waiting'::text, 'erased'::text, 'proven'::text, 'cancelled'::text]))),
    CONSTRAINT agent_erasures_subject_kind_check CHECK ((subject_kind = ANY (ARRAY['device'::text, 'business'::text, 'person'::text, 'orphans'::text])))
);

CREATE UNIQUE INDEX agent_erasures_one_waiting ON agent_erasures USING btree (subject_kind, subject_id) WHERE (state = 'waiting'::text);

CREATE INDEX agent_erasures_open ON agent_erasures USING btree (state) WHERE (state = ANY (ARRAY['waiting'::text, 'erased'::text]));

CREATE TABLE agent_events (
    agent_device_id uuid NOT NULL,
    data jsonb NOT NULL DEFAULT '{}'::jsonb,
    event_type text NOT NULL,
    former_owner uuid,
    id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    occurred_at timestamp with time zone NOT NULL,
    received_at timestamp with time zone NOT NULL,
    CONSTRAINT agent_events_pkey PRIMARY KEY (id),
    CONSTRAINT agent_events_agent_device_id_fkey FOREIGN KEY (agent_device_id) REFERENCES agent_devices(id) ON DELETE CASCADE,
    CONSTRAINT agent_events_former_owner_fkey FOREIGN KEY (former_owner) REFERENCES businesses(id) ON DELETE CASCADE,
    CONSTRAINT agent_events_event_type_check CHECK (((length(event_type) >= 1) AND (length(event_type) <= 100)))
);

CREATE INDEX agent_events_by_device ON agent_events USING btree (agent_device_id, received_at DESC, id DESC);

CREATE INDEX agent_events_by_time ON agent_events USING btree (received_at);

CREATE TRIGGER agent_wake_live AFTER INSERT ON agent_events REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION agent_wake_live('devices');

CREATE TABLE agent_forecasts (
    agent_device_id uuid NOT NULL,
    computed_at timestamp with time zone NOT NULL,
    days integer NOT NULL,
    metric text NOT NULL,
    newest double precision NOT NULL,
    since date NOT NULL,
    slope_per_day double precision NOT NULL,
    CONSTRAINT agent_forecasts_pkey PRIMARY KEY (agent_device_id, metric),
    CONSTRAINT agent_forecasts_agent_device_id_fkey FOREIGN KEY (agent_device_id) REFERENCES agent_devices(id) ON DELETE CASCADE
);

CREATE TABLE agent_gateway_hosts (
    agent_device_id uuid,
    business_id uuid NOT NULL,
    confirmed_at timestamp with time zone,
    first_seen_at timestamp with time zone NOT NULL,
    gateway_id uuid NOT NULL,
    host text NOT NULL,
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    refused_at timestamp with time zone,
    CONSTRAINT agent_gateway_hosts_business_id_host_key UNIQUE (business_id, host),
    CONSTRAINT agent_gateway_hosts_pkey PRIMARY KEY (id),
    CONSTRAINT agent_gateway_hosts_agent_device_id_fkey FOREIGN KEY (agent_device_id) REFERENCES agent_devices(id) ON DELETE CASCADE,
    CONSTRAINT agent_gateway_hosts_business_id_fkey FOREIGN KEY (business_id) REFERENCES businesses(id) ON DELETE CASCADE,
    CONSTRAINT agent_gateway_hosts_gateway_id_fkey FOREIGN KEY (gateway_id) REFERENCES agent_gateways(id) ON DELETE CASCADE,
    CONSTRAINT agent_gateway_hosts_check CHECK (((refused_at IS NULL) OR (agent_device_id IS NULL))),
    CONSTRAINT agent_gateway_hosts_host_check CHECK (((length(host) >= 1) AND (length(host) <= 255)))
);

CREATE UNIQUE INDEX agent_gateway_hosts_by_device ON agent_gateway_hosts USING btree (agent_device_id);

CREATE INDEX agent_gateway_hosts_by_gateway ON agent_gateway_hosts USING btree (gateway_id);

CREATE TABLE agent_gateways (
    business_id uuid NOT NULL,
    created_at timestamp with time zone NOT NULL,
    enrolment text NOT NULL,
    gateway_name text NOT NULL,
    host_pattern text NOT NULL,
    id uuid NOT NULL,
    max_hosts integer NOT NULL,
    may_read boolean NOT NULL DEFAULT false,
    metrics_interval_seconds integer NOT NULL,
    revoked_at timestamp with time zone,
    service_location_id uuid,
    token_hash text NOT NULL,
    CONSTRAINT agent_gateways_pkey PRIMARY KEY (id),
    CONSTRAINT agent_gateways_business_id_fkey FOREIGN KEY (business_id) REFERENCES businesses(id) ON DELETE CASCADE,
    CONSTRAINT agent_gateways_service_location_id_fkey FOREIGN KEY (service_location_id) REFERENCES service_locations(id) ON DELETE SET NULL,
    CONSTRAINT agent_gateways_enrolment_check CHECK ((enrolment = ANY (ARRAY['confirm'::text, 'automatic'::text]))),
    CONSTRAINT agent_gateways_gateway_name_check CHECK (((length(gateway_name) >= 1) AND (length(gateway_name) <= 255))),
    CONSTRAINT agent_gateways_host_pattern_check CHECK (((length(host_pattern) >= 1) AND (length(host_pattern) <= 255))),
    CONSTRAINT agent_gateways_max_hosts_check CHECK (((max_hosts >= 1) AND (max_hosts <= 5000))),
    CONSTRAINT agent_gateways_metrics_interval_seconds_check CHECK (((metrics_interval_seconds >= 1) AND (metrics_interval_seconds <= 86400)))
);

CREATE INDEX agent_gateways_by_business ON agent_gateways USING btree (business_id, created_at DESC, id DESC);

CREATE TABLE agent_isolated_faults (
    attempts integer NOT NULL DEFAULT 1,
    first_at timestamp with time zone NOT NULL,
    item text NOT NULL,
    last_at timestamp with time zone NOT NULL,
    reason text NOT NULL,
    retry_at timestamp with time zone NOT NULL,
    task text NOT NULL,
    CONSTRAINT agent_isolated_faults_pkey PRIMARY KEY (task, item),
    CONSTRAINT agent_isolated_faults_item_check CHECK (((length(item) >= 1) AND (length(item) <= 300))),
    CONSTRAINT agent_isolated_faults_reason_check CHECK ((length(reason) <= 1000)),
    CONSTRAINT agent_isolated_faults_task_check CHECK (((length(task) >= 1) AND (length(task) <= 100)))
);

CREATE TABLE agent_job_runs (
    begun_at timestamp with time zone NOT NULL,
    job_id integer NOT NULL,
    runs bigint NOT NULL DEFAULT 0,
    succeeded_at timestamp with time zone,
    CONSTRAINT agent_job_runs_pkey PRIMARY KEY (job_id)
);

CREATE TABLE agent_legal_holds (
    agent_device_id uuid,
    business_id uuid,
    devices uuid[] NOT NULL,
    ends_at timestamp with time zone,
    id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    placed_at timestamp with time zone NOT NULL,
    placed_by text NOT NULL,
    reason text NOT NULL,
    released_at timestamp with time zone,
    released_by text,
    subject text NOT NULL,
    CONSTRAINT agent_legal_holds_pkey PRIMARY KEY (id),
    CONSTRAINT agent_legal_holds_check CHECK ((num_nonnulls(business_id, agent_device_id) = 1)),
    CONSTRAINT agent_legal_holds_reason_check CHECK (((length(reason) >= 1) AND (length(reason) <= 500)))
);

CREATE TABLE agent_maintenance_windows (
    agent_device_id uuid,
    business_id uuid,
    created_at timestamp with time zone NOT NULL,
    created_by uuid,
    created_by_name text,
    duration_minutes integer,
    ends_at timestamp with time zone,
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    local_start time without time zone,
    service_location_id uuid,
    starts_at timestamp with time zone,
    time_zone text,
    weekdays smallint[],
    window_name text NOT NULL,
    CONSTRAINT agent_maintenance_windows_pkey PRIMARY KEY (id),
    CONSTRAINT agent_maintenance_windows_agent_device_id_fkey FOREIGN KEY (agent_device_id) REFERENCES agent_devices(id) ON DELETE CASCADE,
    CONSTRAINT agent_maintenance_windows_business_id_fkey FOREIGN KEY (business_id) REFERENCES businesses(id) ON DELETE CASCADE,
    CONSTRAINT agent_maintenance_windows_created_by_fkey FOREIGN KEY (created_by) REFERENCES employees(id) ON DELETE SET NULL,
    CONSTRAINT agent_maintenance_windows_service_location_id_fkey FOREIGN KEY (service_location_id) REFERENCES service_locations(id) ON DELETE CASCADE,
    CONSTRAINT agent_maintenance_windows_check CHECK (((weekdays IS NULL) = ((starts_at IS NOT NULL) AND (ends_at > starts_at)))),
    CONSTRAINT agent_maintenance_windows_check1 CHECK (((weekdays IS NULL) OR ((local_start IS NOT NULL) AND (duration_minutes IS NOT NULL) AND (time_zone IS NOT NULL)))),
    CONSTRAINT agent_maintenance_windows_duration_minutes_check CHECK (((duration_minutes >= 1) AND (duration_minutes <= 10080))),
    CONSTRAINT agent_maintenance_windows_time_zone_check CHECK ((length(time_zone) <= 64)),
    CONSTRAINT agent_maintenance_windows_weekdays_check CHECK (((weekdays <@ ARRAY[(1)::smallint, (2)::smallint, (3)::smallint, (4)::smallint, (5)::smallint, (6)::smallint, (7)::smallint]) AND (cardinality(weekdays) > 0))),
    CONSTRAINT agent_maintenance_windows_window_name_check CHECK (((length(window_name) >= 1) AND (length(window_name) <= 255)))
);

CREATE INDEX agent_maintenance_windows_by_business ON agent_maintenance_windows USING btree (business_id);

CREATE TRIGGER agent_keep_names BEFORE INSERT OR UPDATE OF created_by ON agent_maintenance_windows FOR EACH ROW EXECUTE FUNCTION agent_keep_names('created_by');

CREATE TABLE agent_metrics (
    agent_device_id uuid NOT NULL,
    collected_at timestamp with time zone NOT NULL,
    cpu_percent double precision,
    disk_percent double precision,
    disk_used_gb double precision,
    load_average_15m double precision,
    load_average_1m double precision,
    load_average_5m double precision,
    memory_percent double precision,
    memory_used_gb double precision,
    network_rx_bytes bigint,
    network_tx_bytes bigint,
    raw_metrics jsonb,
    received_at timestamp with time zone NOT NULL,
    uptime_seconds bigint,
    CONSTRAINT agent_metrics_pkey PRIMARY KEY (agent_device_id, collected_at),
    CONSTRAINT agent_metrics_collected_at_check CHECK ((collected_at >= '2020-01-01 00:00:00+00'::timestamp with time zone)),
    CONSTRAINT agent_metrics_cpu_percent_check CHECK (((cpu_percent >= (0)::double precision) AND (cpu_percent <= (100)::double precision))),
    CONSTRAINT agent_metrics_disk_percent_check CHECK (((disk_percent >= (0)::double precision) AND (disk_percent <= (100)::double precision))),
    CONSTRAINT agent_metrics_memory_percent_check CHECK (((memory_percent >= (0)::double precision) AND (memory_percent <= (100)::double precision)))
);

-- hypertable by collected_at, chunks of 1 day, 0:00:00

CREATE INDEX agent_metrics_by_time ON agent_metrics USING brin (collected_at) WITH (pages_per_range='32', autosummarize='on');

CREATE TABLE agent_monitored_services (
    agent_device_id uuid NOT NULL,
    auto_restart boolean NOT NULL DEFAULT false,
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    last_checked timestamp with time zone NOT NULL,
    last_state_change timestamp with time zone NOT NULL,
    missing_since timestamp with time zone,
    pid bigint,
    restart_count integer NOT NULL DEFAULT 0,
    service_display_name text,
    service_name text NOT NULL,
    service_type text,
    should_be_running boolean NOT NULL DEFAULT true,
    state_changes integer NOT NULL DEFAULT 0,
    status text NOT NULL,
    CONSTRAINT agent_monitored_services_agent_device_id_service_name_key UNIQUE (agent_device_id, service_name),
    CONSTRAINT agent_monitored_services_pkey PRIMARY KEY (id),
    CONSTRAINT agent_monitored_services_agent_device_id_fkey FOREIGN KEY (agent_device_id) REFERENCES agent_devices(id) ON DELETE CASCADE,
    CONSTRAINT agent_monitored_services_pid_check CHECK ((pid >= 0)),
    CONSTRAINT agent_monitored_services_service_display_name_check CHECK ((length(service_display_name) <= 255)),
    CONSTRAINT agent_monitored_services_service_name_check CHECK (((length(service_name) >= 1) AND (length(service_name) <= 255))),
    CONSTRAINT agent_monitored_services_service_type_check CHECK ((length(service_type) <= 64)),
    CONSTRAINT agent_monitored_services_status_check CHECK ((status = ANY (ARRAY['running'::text, 'stopped'::text, 'starting'::text, 'error'::text])))
) WITH (autovacuum_analyze_scale_factor=5, autovacuum_vacuum_scale_factor=2, fillfactor=80);

CREATE INDEX agent_monitored_services_missing ON agent_monitored_services USING btree (missing_since) WHERE (missing_since IS NOT NULL);

CREATE TABLE agent_presence (
    deaf_until timestamp with time zone,
    one boolean NOT NULL DEFAULT true,
    CONSTRAINT agent_presence_pkey PRIMARY KEY (one),
    CONSTRAINT agent_presence_one_check CHECK (one)
);

CREATE TABLE agent_record_ages (
    keep interval NOT NULL,
    name text NOT NULL,
    purged_at timestamp with time zone,
    purged_rows bigint NOT NULL DEFAULT 0,
    version bigint,
    CONSTRAINT agent_record_ages_pkey PRIMARY KEY (name),
    CONSTRAINT agent_record_ages_keep_check CHECK ((keep > '00:00:00'::interval))
);

CREATE TABLE agent_registration_tokens (
    agent_device_id uuid,
    business_id uuid NOT NULL,
    created_at timestamp with time zone NOT NULL DEFAULT now(),
    created_by uuid,
    created_by_name text,
    device_name text NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    for_device_id uuid,
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    metrics_interval_seconds integer NOT NULL DEFAULT 300,
    revoked_at timestamp with time zone,
    service_location_id uuid,
    token_hash text NOT NULL,
    used_at timestamp with time zone,
    CONSTRAINT agent_registration_tokens_token_hash_key UNIQUE (token_hash),
    CONSTRAINT agent_registration_tokens_pkey PRIMARY KEY (id),
    CONSTRAINT agent_registration_tokens_agent_device_id_fkey FOREIGN KEY (agent_device_id) REFERENCES agent_devices(id) ON DELETE SET NULL,
    CONSTRAINT agent_registration_tokens_business_id_fkey FOREIGN KEY (business_id) REFERENCES businesses(id) ON DELETE CASCADE,
    CONSTRAINT agent_registration_tokens_created_by_fkey FOREIGN KEY (created_by) REFERENCES employees(id) ON DELETE SET NULL,
    CONSTRAINT agent_registration_tokens_for_device_id_fkey FOREIGN KEY (for_device_id) REFERENCES agent_devices(id) ON DELETE CASCADE,
    CONSTRAINT agent_registration_tokens_service_location_id_fkey FOREIGN KEY (service_location_id) REFERENCES service_locations(id) ON DELETE SET NULL,
    CONSTRAINT agent_registration_tokens_device_name_check CHECK (((length(device_name) >= 1) AND (length(device_name) <= 255))),
    CONSTRAINT agent_registration_tokens_metrics_interval_seconds_check CHECK (((metrics_interval_seconds >= 1) AND (metrics_interval_seconds <= 86400))),
    CONSTRAINT agent_registration_tokens_token_hash_check CHECK ((token_hash ~ '^[0-9a-f]{64}$'::text))
);

CREATE INDEX agent_registration_tokens_by_device ON agent_registration_tokens USING btree (agent_device_id) WHERE (agent_device_id IS NOT NULL);

CREATE INDEX agent_registration_tokens_by_time ON agent_registration_tokens USING btree (created_at DESC, id DESC);

CREATE TRIGGER agent_keep_names BEFORE INSERT OR UPDATE OF created_by ON agent_registration_tokens FOR EACH ROW EXECUTE FUNCTION agent_keep_names('created_by');

CREATE TABLE agent_retention_changes (
    after jsonb NOT NULL,
    applied_at timestamp with time zone,
    before jsonb NOT NULL,
    due_at timestamp with time zone NOT NULL,
    id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    oldest jsonb,
    plan jsonb NOT NULL,
    reason text NOT NULL,
    requested_at timestamp with time zone NOT NULL,
    requested_by text NOT NULL,
    state text NOT NULL,
    undone_at timestamp with time zone,
    undone_by text,
    CONSTRAINT agent_retention_changes_pkey PRIMARY KEY (id),
    CONSTRAINT agent_retention_changes_state_check CHECK ((state = ANY (ARRAY['waiting'::text, 'applied'::text, 'undone'::text])))
);

CREATE UNIQUE INDEX agent_retention_changes_waiting ON agent_retention_changes USING btree (state) WHERE (state = 'waiting'::text);

CREATE TABLE agent_saved_views (
    business_id uuid,
    created_at timestamp with time zone NOT NULL DEFAULT now(),
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    is_shared boolean NOT NULL DEFAULT false,
    owner_id uuid NOT NULL,
    page text NOT NULL,
    query text NOT NULL,
    view_name text NOT NULL,
    CONSTRAINT agent_saved_views_pkey PRIMARY KEY (id),
    CONSTRAINT agent_saved_views_business_id_fkey FOREIGN KEY (business_id) REFERENCES businesses(id) ON DELETE CASCADE,
    CONSTRAINT agent_saved_views_page_check CHECK ((page = ANY (ARRAY['agents'::text, 'alerts'::text]))),
    CONSTRAINT agent_saved_views_query_check CHECK ((length(query) <= 2000)),
    CONSTRAINT agent_saved_views_view_name_check CHECK (((length(view_name) >= 1) AND (length(view_name) <= 100)))
);

CREATE UNIQUE INDEX agent_saved_views_by_owner ON agent_saved_views USING btree (owner_id, page, lower(view_name));

CREATE INDEX agent_saved_views_shared ON agent_saved_views USING btree (business_id, page) WHERE is_shared;

CREATE TABLE agent_series (
    agent_device_id uuid NOT NULL,
    created_at timestamp with time zone NOT NULL,
    gone_at timestamp with time zone,
    id integer NOT NULL GENERATED ALWAYS AS IDENTITY,
    instance text NOT NULL,
    is_counter boolean NOT NULL,
    last_seen_at timestamp with time zone NOT NULL,
    metric text NOT NULL,
    unit text NOT NULL,
    CONSTRAINT agent_series_agent_device_id_metric_instance_key UNIQUE (agent_device_id, metric, instance),
    CONSTRAINT agent_series_pkey PRIMARY KEY (id),
    CONSTRAINT agent_series_agent_device_id_fkey FOREIGN KEY (agent_device_id) REFERENCES agent_devices(id) ON DELETE CASCADE,
    CONSTRAINT agent_series_instance_check CHECK ((length(instance) <= 255)),
    CONSTRAINT agent_series_metric_check CHECK (((length(metric) >= 1) AND (length(metric) <= 100))),
    CONSTRAINT agent_series_unit_check CHECK ((length(unit) <= 30))
);

CREATE TABLE agent_series_baselines (
    computed_at timestamp with time zone NOT NULL,
    distance double precision NOT NULL,
    hour_of_week smallint NOT NULL,
    median double precision NOT NULL,
    series_id integer NOT NULL,
    time_zone text NOT NULL,
    weeks integer NOT NULL,
    CONSTRAINT agent_series_baselines_pkey PRIMARY KEY (series_id, hour_of_week),
    CONSTRAINT agent_series_baselines_series_id_fkey FOREIGN KEY (series_id) REFERENCES agent_series(id) ON DELETE CASCADE,
    CONSTRAINT agent_series_baselines_hour_of_week_check CHECK (((hour_of_week >= 0) AND (hour_of_week <= 167)))
);

CREATE TABLE agent_series_counts (
    business_id uuid NOT NULL,
    live integer NOT NULL,
    CONSTRAINT agent_series_counts_pkey PRIMARY KEY (business_id),
    CONSTRAINT agent_series_counts_business_id_fkey FOREIGN KEY (business_id) REFERENCES businesses(id) ON DELETE CASCADE
);

CREATE TABLE agent_series_forecasts (
    computed_at timestamp with time zone NOT NULL,
    days integer NOT NULL,
    newest double precision NOT NULL,
    series_id integer NOT NULL,
    since date NOT NULL,
    slope_per_day double precision NOT NULL,
    CONSTRAINT agent_series_forecasts_pkey PRIMARY KEY (series_id),
    CONSTRAINT agent_series_forecasts_series_id_fkey FOREIGN KEY (series_id) REFERENCES agent_series(id) ON DELETE CASCADE
);

CREATE TABLE agent_series_newest (
    agent_device_id uuid NOT NULL,
    collected_at timestamp with time zone NOT NULL,
    highest double precision NOT NULL,
    is_counter boolean NOT NULL,
    metric text NOT NULL,
    series_ids integer[] NOT NULL,
    series_times timestamp with time zone[] NOT NULL,
    series_values double precision[] NOT NULL,
    CONSTRAINT agent_series_newest_pkey PRIMARY KEY (agent_device_id, metric),
    CONSTRAINT agent_series_newest_agent_device_id_fkey FOREIGN KEY (agent_device_id) REFERENCES agent_devices(id) ON DELETE CASCADE
) WITH (autovacuum_analyze_scale_factor=5, autovacuum_vacuum_scale_factor=2, fillfactor=70);

CREATE INDEX agent_series_newest_highest ON agent_series_newest USING btree (metric, highest DESC) WHERE (NOT is_counter);

CREATE TABLE agent_series_refusals (
    agent_device_id uuid NOT NULL,
    since timestamp with time zone NOT NULL,
    CONSTRAINT agent_series_refusals_pkey PRIMARY KEY (agent_device_id),
    CONSTRAINT agent_series_refusals_agent_device_id_fkey FOREIGN KEY (agent_device_id) REFERENCES agent_devices(id) ON DELETE CASCADE
);

CREATE TABLE agent_series_samples (
    collected_at timestamp with time zone NOT NULL,
    is_counter boolean NOT NULL,
    series_id integer NOT NULL,
    value double precision NOT NULL,
    CONSTRAINT agent_series_samples_pkey PRIMARY KEY (series_id, collected_at),
    CONSTRAINT agent_series_samples_collected_at_check CHECK ((collected_at >= '2020-01-01 00:00:00+00'::timestamp with time zone))
);

-- hypertable by collected_at, chunks of 1 day, 0:00:00

CREATE INDEX agent_series_samples_by_time ON agent_series_samples USING brin (collected_at) WITH (pages_per_range='32', autosummarize='on');

CREATE TABLE agent_software_eol (
    applied_at timestamp with time zone,
    created_at timestamp with time zone NOT NULL,
    created_by uuid,
    created_by_name text,
    deleted_at timestamp with time zone,
    eol_date date NOT NULL,
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    latest_available_version text,
    marked_to uuid,
    name_pattern text NOT NULL GENERATED ALWAYS AS (replace(replace(replace(replace(lower(software_name), '\'::text, '\\'::text), '%'::text, '\%'::text), '_'::text, '\_'::text), '*'::text, '%'::text)) STORED,
    name_start text NOT NULL GENERATED ALWAYS AS ("left"(split_part(lower(software_name), '*'::text, 1), 16)) STORED,
    note text,
    software_name text NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    updated_by uuid,
    updated_by_name text,
    version_prefix text NOT NULL DEFAULT ''::text,
    CONSTRAINT agent_software_eol_pkey PRIMARY KEY (id),
    CONSTRAINT agent_software_eol_created_by_fkey FOREIGN KEY (created_by) REFERENCES employees(id) ON DELETE SET NULL,
    CONSTRAINT agent_software_eol_updated_by_fkey FOREIGN KEY (updated_by) REFERENCES employees(id) ON DELETE SET NULL,
    CONSTRAINT agent_software_eol_latest_available_version_check CHECK ((length(latest_available_version) <= 255)),
    CONSTRAINT agent_software_eol_note_check CHECK ((length(note) <= 1000)),
    CONSTRAINT agent_software_eol_software_name_check CHECK (((length(software_name) >= 1) AND (length(software_name) <= 512))),
    CONSTRAINT agent_software_eol_version_prefix_check CHECK ((length(version_prefix) <= 255))
) WITH (fillfactor=10);

CREATE INDEX agent_software_eol_by_start ON agent_software_eol USING btree (name_start) WHERE (deleted_at IS NULL);

CREATE INDEX agent_software_eol_due ON agent_software_eol USING btree (updated_at) WHERE (applied_at IS NULL);

CREATE UNIQUE INDEX agent_software_eol_one ON agent_software_eol USING btree (lower(software_name) COLLATE "C", version_prefix COLLATE "C") WHERE (deleted_at IS NULL);

CREATE TRIGGER agent_keep_names BEFORE INSERT OR UPDATE OF created_by, updated_by ON agent_software_eol FOR EACH ROW EXECUTE FUNCTION agent_keep_names('created_by', 'updated_by');

CREATE TABLE agent_software_inventory (
    agent_device_id uuid NOT NULL,
    eol_date date,
    eol_rule_id uuid,
    first_seen timestamp with time zone NOT NULL DEFAULT now(),
    former_owner uuid,
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    install_date date,
    is_active boolean NOT NULL DEFAULT true,
    is_eol boolean,
    is_latest_version boolean,
    is_security_software boolean NOT NULL DEFAULT false,
    last_seen timestamp with time zone NOT NULL DEFAULT now(),
    latest_available_version text,
    removed_at timestamp with time zone,
    reported_latest_version text,
    software_name text NOT NULL,
    software_type text NOT NULL DEFAULT 'application'::text,
    software_version text,
    vendor text,
    CONSTRAINT agent_software_inventory_pkey PRIMARY KEY (id),
    CONSTRAINT agent_software_inventory_agent_device_id_fkey FOREIGN KEY (agent_device_id) REFERENCES agent_devices(id) ON DELETE CASCADE,
    CONSTRAINT agent_software_inventory_eol_rule_id_fkey FOREIGN KEY (eol_rule_id) REFERENCES agent_software_eol(id),
    CONSTRAINT agent_software_inventory_former_owner_fkey FOREIGN KEY (former_owner) REFERENCES businesses(id) ON DELETE CASCADE,
    CONSTRAINT agent_software_inventory_latest_available_version_check CHECK ((length(latest_available_version) <= 255)),
    CONSTRAINT agent_software_inventory_reported_latest_version_check CHECK ((length(reported_latest_version) <= 255)),
    CONSTRAINT agent_software_inventory_software_name_check CHECK (((length(software_name) >= 1) AND (length(software_name) <= 512))),
    CONSTRAINT agent_software_inventory_software_type_check CHECK ((software_type = ANY (ARRAY['application'::text, 'system'::text, 'driver'::text, 'update'::text]))),
    CONSTRAINT agent_software_inventory_software_version_check CHECK ((length(software_version) <= 255)),
    CONSTRAINT agent_software_inventory_stay CHECK (((is_active = (removed_at IS NULL)) AND COALESCE((first_seen <= removed_at), true))),
    CONSTRAINT agent_software_inventory_vendor_check CHECK ((length(vendor) <= 255))
) WITH (fillfactor=80);

CREATE UNIQUE INDEX agent_software_inventory_active ON agent_software_inventory USING btree (agent_device_id, software_name, software_type, COALESCE(software_version, ''::text)) WHERE is_active;

CREATE INDEX agent_software_inventory_by_device ON agent_software_inventory USING btree (agent_device_id, software_name);

CREATE INDEX agent_software_inventory_by_name ON agent_software_inventory USING btree (lower(software_name) COLLATE "C", id);

CREATE INDEX agent_software_inventory_by_rule ON agent_software_inventory USING btree (eol_rule_id) WHERE (eol_rule_id IS NOT NULL);

CREATE INDEX agent_software_inventory_eol ON agent_software_inventory USING btree (eol_date) WHERE (NOT is_eol);

CREATE INDEX agent_software_inventory_removed ON agent_software_inventory USING btree (removed_at) WHERE (removed_at IS NOT NULL);

CREATE TABLE agent_storage_levels (
    keep interval NOT NULL,
    level text NOT NULL,
    refresh_from interval,
    version bigint,
    CONSTRAINT agent_storage_levels_pkey PRIMARY KEY (level),
    CONSTRAINT agent_storage_levels_keep_check CHECK ((keep > '00:00:00'::interval)),
    CONSTRAINT agent_storage_levels_level_check CHECK ((level = ANY (ARRAY['raw'::text, '5m'::text, '1h'::text, '1d'::text]))),
    CONSTRAINT agent_storage_levels_refresh_from_check CHECK ((refresh_from > '00:00:00'::interval))
);

CREATE TABLE agent_storage_sizes (
    bytes bigint NOT NULL,
    day date NOT NULL,
    relation text NOT NULL,
    CONSTRAINT agent_storage_sizes_pkey PRIMARY KEY (day, relation)
);

CREATE TABLE agent_tenant_ages (
    business_id uuid NOT NULL,
    changed_at timestamp with time zone NOT NULL,
    changed_by text NOT NULL,
    former_keep interval,
    former_until timestamp with time zone,
    keep interval,
    level text NOT NULL,
    reason text NOT NULL,
    CONSTRAINT agent_tenant_ages_pkey PRIMARY KEY (business_id, level),
    CONSTRAINT agent_tenant_ages_business_id_fkey FOREIGN KEY (business_id) REFERENCES businesses(id) ON DELETE CASCADE,
    CONSTRAINT agent_tenant_ages_check CHECK (((former_keep IS NULL) = (former_until IS NULL))),
    CONSTRAINT agent_tenant_ages_keep_check CHECK ((keep > '00:00:00'::interval)),
    CONSTRAINT agent_tenant_ages_level_check CHECK ((level = ANY (ARRAY['raw'::text, '5m'::text, '1h'::text, '1d'::text]))),
    CONSTRAINT agent_tenant_ages_reason_check CHECK (((length(reason) >= 1) AND (length(reason) <= 500)))
);

CREATE TABLE agent_tenant_trims (
    business_id uuid NOT NULL,
    level text NOT NULL,
    trimmed_at timestamp with time zone NOT NULL,
    trimmed_rows bigint NOT NULL,
    trimmed_until timestamp with time zone NOT NULL,
    CONSTRAINT agent_tenant_trims_pkey PRIMARY KEY (business_id, level),
    CONSTRAINT agent_tenant_trims_business_id_fkey FOREIGN KEY (business_id) REFERENCES businesses(id) ON DELETE CASCADE,
    CONSTRAINT agent_tenant_trims_level_check CHECK ((level = ANY (ARRAY['raw'::text, '5m'::text, '1h'::text, '1d'::text])))
);

CREATE TABLE agent_time_zones (
    business_id uuid NOT NULL,
    service_location_id uuid,
    time_zone text NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    CONSTRAINT agent_time_zones_business_id_service_location_id_key UNIQUE NULLS NOT DISTINCT (business_id, service_location_id),
    CONSTRAINT agent_time_zones_business_id_fkey FOREIGN KEY (business_id) REFERENCES businesses(id) ON DELETE CASCADE,
    CONSTRAINT agent_time_zones_service_location_id_fkey FOREIGN KEY (service_location_id) REFERENCES service_locations(id) ON DELETE CASCADE,
    CONSTRAINT agent_time_zones_time_zone_check CHECK (((length(time_zone) >= 1) AND (length(time_zone) <= 64)))
);

CREATE INDEX agent_time_zones_by_site ON agent_time_zones USING btree (service_location_id) WHERE (service_location_id IS NOT NULL);

CREATE TABLE rts_agents_alembic_version (
    version_num character varying(32) NOT NULL,
    CONSTRAINT rts_agents_alembic_version_pkc PRIMARY KEY (version_num)
);

CREATE MATERIALIZED VIEW agent_metrics_1d WITH (timescaledb.continuous) AS
    SELECT agent_device_id,
    time_bucket('1 day'::interval, bucket) AS bucket,
    (sum(sample_count))::bigint AS sample_count,
    sum(cpu_percent_sum) AS cpu_percent_sum,
    (sum(cpu_percent_count))::bigint AS cpu_percent_count,
    min(cpu_percent_min) AS cpu_percent_min,
    max(cpu_percent_max) AS cpu_percent_max,
    sum(memory_used_gb_sum) AS memory_used_gb_sum,
    (sum(memory_used_gb_count))::bigint AS memory_used_gb_count,
    min(memory_used_gb_min) AS memory_used_gb_min,
    max(memory_used_gb_max) AS memory_used_gb_max,
    sum(memory_percent_sum) AS memory_percent_sum,
    (sum(memory_percent_count))::bigint AS memory_percent_count,
    min(memory_percent_min) AS memory_percent_min,
    max(memory_percent_max) AS memory_percent_max,
    sum(disk_used_gb_sum) AS disk_used_gb_sum,
    (sum(disk_used_gb_count))::bigint AS disk_used_gb_count,
    min(disk_used_gb_min) AS disk_used_gb_min,
    max(disk_used_gb_max) AS disk_used_gb_max,
    sum(disk_percent_sum) AS disk_percent_sum,
    (sum(disk_percent_count))::bigint AS disk_percent_count,
    min(disk_percent_min) AS disk_percent_min,
    max(disk_percent_max) AS disk_percent_max,
    sum(load_average_1m_sum) AS load_average_1m_sum,
    (sum(load_average_1m_count))::bigint AS load_average_1m_count,
    min(load_average_1m_min) AS load_average_1m_min,
    max(load_average_1m_max) AS load_average_1m_max,
    sum(load_average_5m_sum) AS load_average_5m_sum,
    (sum(load_average_5m_count))::bigint AS load_average_5m_count,
    min(load_average_5m_min) AS load_average_5m_min,
    max(load_average_5m_max) AS load_average_5m_max,
    sum(load_average_15m_sum) AS load_average_15m_sum,
    (sum(load_average_15m_count))::bigint AS load_average_15m_count,
    min(load_average_15m_min) AS load_average_15m_min,
    max(load_average_15m_max) AS load_average_15m_max,
    sum(uptime_seconds_sum) AS uptime_seconds_sum,
    (sum(uptime_seconds_count))::bigint AS uptime_seconds_count,
    min(uptime_seconds_min) AS uptime_seconds_min,
    max(uptime_seconds_max) AS uptime_seconds_max,
    first(network_rx_bytes_first, bucket) FILTER (WHERE (network_rx_bytes_first IS NOT NULL)) AS network_rx_bytes_first,
    last(network_rx_bytes_last, bucket) FILTER (WHERE (network_rx_bytes_last IS NOT NULL)) AS network_rx_bytes_last,
    min(network_rx_bytes_first_at) AS network_rx_bytes_first_at,
    max(network_rx_bytes_last_at) AS network_rx_bytes_last_at,
    counter_increase(network_rx_bytes_first, network_rx_bytes_last, network_rx_bytes_increase ORDER BY agent_metrics_1h.bucket) AS network_rx_bytes_increase,
    first(network_tx_bytes_first, bucket) FILTER (WHERE (network_tx_bytes_first IS NOT NULL)) AS network_tx_bytes_first,
    last(network_tx_bytes_last, bucket) FILTER (WHERE (network_tx_bytes_last IS NOT NULL)) AS network_tx_bytes_last,
    min(network_tx_bytes_first_at) AS network_tx_bytes_first_at,
    max(network_tx_bytes_last_at) AS network_tx_bytes_last_at,
    counter_increase(network_tx_bytes_first, network_tx_bytes_last, network_tx_bytes_increase ORDER BY agent_metrics_1h.bucket) AS network_tx_bytes_increase
    FROM agent_metrics_1h
    GROUP BY agent_device_id, (time_bucket('1 day'::interval, bucket));

CREATE MATERIALIZED VIEW agent_metrics_1h WITH (timescaledb.continuous) AS
    SELECT agent_device_id,
    time_bucket('01:00:00'::interval, bucket) AS bucket,
    (sum(sample_count))::bigint AS sample_count,
    sum(cpu_percent_sum) AS cpu_percent_sum,
    (sum(cpu_percent_count))::bigint AS cpu_percent_count,
    min(cpu_percent_min) AS cpu_percent_min,
    max(cpu_percent_max) AS cpu_percent_max,
    sum(memory_used_gb_sum) AS memory_used_gb_sum,
    (sum(memory_used_gb_count))::bigint AS memory_used_gb_count,
    min(memory_used_gb_min) AS memory_used_gb_min,
    max(memory_used_gb_max) AS memory_used_gb_max,
    sum(memory_percent_sum) AS memory_percent_sum,
    (sum(memory_percent_count))::bigint AS memory_percent_count,
    min(memory_percent_min) AS memory_percent_min,
    max(memory_percent_max) AS memory_percent_max,
    sum(disk_used_gb_sum) AS disk_used_gb_sum,
    (sum(disk_used_gb_count))::bigint AS disk_used_gb_count,
    min(disk_used_gb_min) AS disk_used_gb_min,
    max(disk_used_gb_max) AS disk_used_gb_max,
    sum(disk_percent_sum) AS disk_percent_sum,
    (sum(disk_percent_count))::bigint AS disk_percent_count,
    min(disk_percent_min) AS disk_percent_min,
    max(disk_percent_max) AS disk_percent_max,
    sum(load_average_1m_sum) AS load_average_1m_sum,
    (sum(load_average_1m_count))::bigint AS load_average_1m_count,
    min(load_average_1m_min) AS load_average_1m_min,
    max(load_average_1m_max) AS load_average_1m_max,
    sum(load_average_5m_sum) AS load_average_5m_sum,
    (sum(load_average_5m_count))::bigint AS load_average_5m_count,
    min(load_average_5m_min) AS load_average_5m_min,
    max(load_average_5m_max) AS load_average_5m_max,
    sum(load_average_15m_sum) AS load_average_15m_sum,
    (sum(load_average_15m_count))::bigint AS load_average_15m_count,
    min(load_average_15m_min) AS load_average_15m_min,
    max(load_average_15m_max) AS load_average_15m_max,
    sum(uptime_seconds_sum) AS uptime_seconds_sum,
    (sum(uptime_seconds_count))::bigint AS uptime_seconds_count,
    min(uptime_seconds_min) AS uptime_seconds_min,
    max(uptime_seconds_max) AS uptime_seconds_max,
    first(network_rx_bytes_first, bucket) FILTER (WHERE (network_rx_bytes_first IS NOT NULL)) AS network_rx_bytes_first,
    last(network_rx_bytes_last, bucket) FILTER (WHERE (network_rx_bytes_last IS NOT NULL)) AS network_rx_bytes_last,
    min(network_rx_bytes_first_at) AS network_rx_bytes_first_at,
    max(network_rx_bytes_last_at) AS network_rx_bytes_last_at,
    counter_increase(network_rx_bytes_first, network_rx_bytes_last, network_rx_bytes_increase ORDER BY agent_metrics_5m.bucket) AS network_rx_bytes_increase,
    first(network_tx_bytes_first, bucket) FILTER (WHERE (network_tx_bytes_first IS NOT NULL)) AS network_tx_bytes_first,
    last(network_tx_bytes_last, bucket) FILTER (WHERE (network_tx_bytes_last IS NOT NULL)) AS network_tx_bytes_last,
    min(network_tx_bytes_first_at) AS network_tx_bytes_first_at,
    max(network_tx_bytes_last_at) AS network_tx_bytes_last_at,
    counter_increase(network_tx_bytes_first, network_tx_bytes_last, network_tx_bytes_increase ORDER BY agent_metrics_5m.bucket) AS network_tx_bytes_increase
    FROM agent_metrics_5m
    GROUP BY agent_device_id, (time_bucket('01:00:00'::interval, bucket));

CREATE MATERIALIZED VIEW agent_metrics_5m WITH (timescaledb.continuous) AS
    SELECT agent_device_id,
    time_bucket('00:05:00'::interval, collected_at) AS bucket,
    count(*) AS sample_count,
    sum(cpu_percent) AS cpu_percent_sum,
    NULLIF(count(cpu_percent), count(*)) AS cpu_percent_count,
    NULLIF(min(cpu_percent), sum(cpu_percent)) AS cpu_percent_min,
    NULLIF(max(cpu_percent), sum(cpu_percent)) AS cpu_percent_max,
    sum(memory_used_gb) AS memory_used_gb_sum,
    NULLIF(count(memory_used_gb), count(*)) AS memory_used_gb_count,
    NULLIF(min(memory_used_gb), sum(memory_used_gb)) AS memory_used_gb_min,
    NULLIF(max(memory_used_gb), sum(memory_used_gb)) AS memory_used_gb_max,
    sum(memory_percent) AS memory_percent_sum,
    NULLIF(count(memory_percent), count(*)) AS memory_percent_count,
    NULLIF(min(memory_percent), sum(memory_percent)) AS memory_percent_min,
    NULLIF(max(memory_percent), sum(memory_percent)) AS memory_percent_max,
    sum(disk_used_gb) AS disk_used_gb_sum,
    NULLIF(count(disk_used_gb), count(*)) AS disk_used_gb_count,
    NULLIF(min(disk_used_gb), sum(disk_used_gb)) AS disk_used_gb_min,
    NULLIF(max(disk_used_gb), sum(disk_used_gb)) AS disk_used_gb_max,
    sum(disk_percent) AS disk_percent_sum,
    NULLIF(count(disk_percent), count(*)) AS disk_percent_count,
    NULLIF(min(disk_percent), sum(disk_percent)) AS disk_percent_min,
    NULLIF(max(disk_percent), sum(disk_percent)) AS disk_percent_max,
    sum(load_average_1m) AS load_average_1m_sum,
    NULLIF(count(load_average_1m), count(*)) AS load_average_1m_count,
    NULLIF(min(load_average_1m), sum(load_average_1m)) AS load_average_1m_min,
    NULLIF(max(load_average_1m), sum(load_average_1m)) AS load_average_1m_max,
    sum(load_average_5m) AS load_average_5m_sum,
    NULLIF(count(load_average_5m), count(*)) AS load_average_5m_count,
    NULLIF(min(load_average_5m), sum(load_average_5m)) AS load_average_5m_min,
    NULLIF(max(load_average_5m), sum(load_average_5m)) AS load_average_5m_max,
    sum(load_average_15m) AS load_average_15m_sum,
    NULLIF(count(load_average_15m), count(*)) AS load_average_15m_count,
    NULLIF(min(load_average_15m), sum(load_average_15m)) AS load_average_15m_min,
    NULLIF(max(load_average_15m), sum(load_average_15m)) AS load_average_15m_max,
    sum((uptime_seconds)::double precision) AS uptime_seconds_sum,
    NULLIF(count(uptime_seconds), count(*)) AS uptime_seconds_count,
    NULLIF(min((uptime_seconds)::double precision), sum((uptime_seconds)::double precision)) AS uptime_seconds_min,
    NULLIF(max((uptime_seconds)::double precision), sum((uptime_seconds)::double precision)) AS uptime_seconds_max,
    first((network_rx_bytes)::double precision, collected_at) FILTER (WHERE (network_rx_bytes IS NOT NULL)) AS network_rx_bytes_first,
    NULLIF(last((network_rx_bytes)::double precision, collected_at) FILTER (WHERE (network_rx_bytes IS NOT NULL)), first((network_rx_bytes)::double precision, collected_at) FILTER (WHERE (network_rx_bytes IS NOT NULL))) AS network_rx_bytes_last,
    min(collected_at) FILTER (WHERE (network_rx_bytes IS NOT NULL)) AS network_rx_bytes_first_at,
    NULLIF(max(collected_at) FILTER (WHERE (network_rx_bytes IS NOT NULL)), min(collected_at) FILTER (WHERE (network_rx_bytes IS NOT NULL))) AS network_rx_bytes_last_at,
    counter_increase_of_samples(array_agg((network_rx_bytes)::double precision ORDER BY collected_at)) AS network_rx_bytes_increase,
    first((network_tx_bytes)::double precision, collected_at) FILTER (WHERE (network_tx_bytes IS NOT NULL)) AS network_tx_bytes_first,
    NULLIF(last((network_tx_bytes)::double precision, collected_at) FILTER (WHERE (network_tx_bytes IS NOT NULL)), first((network_tx_bytes)::double precision, collected_at) FILTER (WHERE (network_tx_bytes IS NOT NULL))) AS network_tx_bytes_last,
    min(collected_at) FILTER (WHERE (network_tx_bytes IS NOT NULL)) AS network_tx_bytes_first_at,
    NULLIF(max(collected_at) FILTER (WHERE (network_tx_bytes IS NOT NULL)), min(collected_at) FILTER (WHERE (network_tx_bytes IS NOT NULL))) AS network_tx_bytes_last_at,
    counter_increase_of_samples(array_agg((network_tx_bytes)::double precision ORDER BY collected_at)) AS network_tx_bytes_increase
    FROM agent_metrics
    GROUP BY agent_device_id, (time_bucket('00:05:00'::interval, collected_at));

CREATE OR REPLACE VIEW agent_metrics_5m AS
    SELECT agent_device_id,
    bucket,
    sample_count,
    cpu_percent_sum,
    COALESCE(cpu_percent_count, sample_count) AS cpu_percent_count,
    COALESCE(cpu_percent_min, cpu_percent_sum) AS cpu_percent_min,
    COALESCE(cpu_percent_max, cpu_percent_sum) AS cpu_percent_max,
    memory_used_gb_sum,
    COALESCE(memory_used_gb_count, sample_count) AS memory_used_gb_count,
    COALESCE(memory_used_gb_min, memory_used_gb_sum) AS memory_used_gb_min,
    COALESCE(memory_used_gb_max, memory_used_gb_sum) AS memory_used_gb_max,
    memory_percent_sum,
    COALESCE(memory_percent_count, sample_count) AS memory_percent_count,
    COALESCE(memory_percent_min, memory_percent_sum) AS memory_percent_min,
    COALESCE(memory_percent_max, memory_percent_sum) AS memory_percent_max,
    disk_used_gb_sum,
    COALESCE(disk_used_gb_count, sample_count) AS disk_used_gb_count,
    COALESCE(disk_used_gb_min, disk_used_gb_sum) AS disk_used_gb_min,
    COALESCE(disk_used_gb_max, disk_used_gb_sum) AS disk_used_gb_max,
    disk_percent_sum,
    COALESCE(disk_percent_count, sample_count) AS disk_percent_count,
    COALESCE(disk_percent_min, disk_percent_sum) AS disk_percent_min,
    COALESCE(disk_percent_max, disk_percent_sum) AS disk_percent_max,
    load_average_1m_sum,
    COALESCE(load_average_1m_count, sample_count) AS load_average_1m_count,
    COALESCE(load_average_1m_min, load_average_1m_sum) AS load_average_1m_min,
    COALESCE(load_average_1m_max, load_average_1m_sum) AS load_average_1m_max,
    load_average_5m_sum,
    COALESCE(load_average_5m_count, sample_count) AS load_average_5m_count,
    COALESCE(load_average_5m_min, load_average_5m_sum) AS load_average_5m_min,
    COALESCE(load_average_5m_max, load_average_5m_sum) AS load_average_5m_max,
    load_average_15m_sum,
    COALESCE(load_average_15m_count, sample_count) AS load_average_15m_count,
    COALESCE(load_average_15m_min, load_average_15m_sum) AS load_average_15m_min,
    COALESCE(load_average_15m_max, load_average_15m_sum) AS load_average_15m_max,
    uptime_seconds_sum,
    COALESCE(uptime_seconds_count, sample_count) AS uptime_seconds_count,
    COALESCE(uptime_seconds_min, uptime_seconds_sum) AS uptime_seconds_min,
    COALESCE(uptime_seconds_max, uptime_seconds_sum) AS uptime_seconds_max,
    network_rx_bytes_first,
    COALESCE(network_rx_bytes_last, network_rx_bytes_first) AS network_rx_bytes_last,
    network_rx_bytes_first_at,
    COALESCE(network_rx_bytes_last_at, network_rx_bytes_first_at) AS network_rx_bytes_last_at,
    network_rx_bytes_increase,
    network_tx_bytes_first,
    COALESCE(network_tx_bytes_last, network_tx_bytes_first) AS network_tx_bytes_last,
    network_tx_bytes_first_at,
    COALESCE(network_tx_bytes_last_at, network_tx_bytes_first_at) AS network_tx_bytes_last_at,
    network_tx_bytes_increase
    FROM _timescaledb_internal._materialized_hypertable;

CREATE MATERIALIZED VIEW agent_series_1d WITH (timescaledb.continuous) AS
    SELECT series_id,
    time_bucket('1 day'::interval, bucket) AS bucket,
    (sum(sample_count))::bigint AS sample_count,
    sum(value_sum) AS value_sum,
    min(value_min) AS value_min,
    max(value_max) AS value_max,
    first(value_first, bucket) FILTER (WHERE (value_first IS NOT NULL)) AS value_first,
    last(value_last, bucket) FILTER (WHERE (value_last IS NOT NULL)) AS value_last,
    min(value_first_at) AS value_first_at,
    max(value_last_at) AS value_last_at,
    counter_increase(value_first, value_last, value_increase ORDER BY agent_series_1h.bucket) FILTER (WHERE (value_first IS NOT NULL)) AS value_increase
    FROM agent_series_1h
    GROUP BY series_id, (time_bucket('1 day'::interval, bucket));

CREATE MATERIALIZED VIEW agent_series_1h WITH (timescaledb.continuous) AS
    SELECT series_id,
    time_bucket('01:00:00'::interval, bucket) AS bucket,
    (sum(sample_count))::bigint AS sample_count,
    sum(value_sum) AS value_sum,
    min(value_min) AS value_min,
    max(value_max) AS value_max,
    first(value_first, bucket) FILTER (WHERE (value_first IS NOT NULL)) AS value_first,
    last(value_last, bucket) FILTER (WHERE (value_last IS NOT NULL)) AS value_last,
    min(value_first_at) AS value_first_at,
    max(value_last_at) AS value_last_at,
    counter_increase(value_first, value_last, value_increase ORDER BY agent_series_5m.bucket) FILTER (WHERE (value_first IS NOT NULL)) AS value_increase
    FROM agent_series_5m
    GROUP BY series_id, (time_bucket('01:00:00'::interval, bucket));

CREATE MATERIALIZED VIEW agent_series_5m WITH (timescaledb.continuous) AS
    SELECT series_id,
    time_bucket('00:05:00'::interval, collected_at) AS bucket,
    count(*) AS sample_count,
    sum(value) FILTER (WHERE (NOT is_counter)) AS value_sum,
    min(value) FILTER (WHERE (NOT is_counter)) AS value_min,
    max(value) FILTER (WHERE (NOT is_counter)) AS value_max,
    first(value, collected_at) FILTER (WHERE is_counter) AS value_first,
    last(value, collected_at) FILTER (WHERE is_counter) AS value_last,
    min(collected_at) FILTER (WHERE is_counter) AS value_first_at,
    max(collected_at) FILTER (WHERE is_counter) AS value_last_at,
    counter_increase(value, value, (0)::double precision ORDER BY collected_at) FILTER (WHERE is_counter) AS value_increase
    FROM agent_series_samples
    GROUP BY series_id, (time_bucket('00:05:00'::interval, collected_at));

CREATE VIEW agent_held_devices AS
    SELECT h.id AS hold_id,
    d.agent_device_id
    FROM (agent_legal_holds h
    CROSS JOIN LATERAL ( SELECT unnest(h.devices) AS agent_device_id
    UNION
    SELECT agent_devices.id
    FROM agent_devices
    WHERE (agent_devices.business_id = h.business_id)
    UNION
    SELECT agent_device_owners.agent_device_id
    FROM agent_device_owners
    WHERE (agent_device_owners.business_id = h.business_id)) d)
    WHERE (h.released_at IS NULL);
