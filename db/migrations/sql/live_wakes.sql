-- What changed wakes the live channel by triggers, whichever statement wrote it. One rule of how a counter grows, and of
-- a person's name.

-- agent_wake_live --
-- Notifies the processes that hold sockets, once a transaction. The argument is what changed: `devices` or `commands`.
CREATE FUNCTION agent_wake_live() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    IF TG_LEVEL = 'ROW' THEN
        PERFORM pg_notify('rts_live', TG_ARGV[0]);
    ELSIF EXISTS (SELECT FROM written) THEN
        PERFORM pg_notify('rts_live', TG_ARGV[0]);
    END IF;
    RETURN NULL;
END $body$;

-- wake_triggers --
-- Uploads write none of these tables, except events; a flush notifies by itself (`ingest/queries.sql`).
CREATE TRIGGER agent_wake_live AFTER INSERT ON agent_events REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION agent_wake_live('devices');
CREATE TRIGGER agent_wake_live_of_new AFTER INSERT ON agent_alert_history REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION agent_wake_live('devices');
CREATE TRIGGER agent_wake_live AFTER UPDATE ON agent_alert_history REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION agent_wake_live('devices');
CREATE TRIGGER agent_wake_live_of_new AFTER INSERT ON agent_commands REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION agent_wake_live('commands');
CREATE TRIGGER agent_wake_live AFTER UPDATE ON agent_commands REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION agent_wake_live('commands');
-- Other changes of a device leave a row in the audit trail; who read what wakes nobody.
CREATE TRIGGER agent_wake_live AFTER INSERT ON agent_audit
    FOR EACH ROW
    WHEN (NEW.agent_device_id IS NOT NULL AND NEW.command_id IS NULL
          AND NEW.action NOT IN ('outputs_read', 'commands_read', 'inventory_read'))
    EXECUTE FUNCTION agent_wake_live('devices');

-- counter_value --
-- As before, without STRICT: a strict function whose body is a CASE is called for each row instead of being inlined.
CREATE OR REPLACE FUNCTION counter_value(stored double precision) RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN CASE WHEN stored < 0 THEN -stored - 1 ELSE stored END;

-- counter_growth --
-- How much a counter grew from one value to the next: by the difference; by what it shows where it is lower, because it
-- was reset to 0 in between (the rule of Prometheus' increase()); by nothing that is known where it begins with a break
-- (below 0) or has no value before. Null without a value.
CREATE FUNCTION counter_growth(before double precision, value double precision) RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN value >= before THEN value - before WHEN value < 0 OR before IS NULL AND value IS NOT NULL THEN 0
            ELSE value END;

-- agent_person_name --
-- The name of a row of employees or users, as JSON: first and last name, else one name, else the e-mail address.
CREATE FUNCTION agent_person_name(person jsonb) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
RETURN COALESCE(NULLIF(concat_ws(' ', person ->> 'first_name', person ->> 'last_name'), ''),
                person ->> 'name', person ->> 'email');
