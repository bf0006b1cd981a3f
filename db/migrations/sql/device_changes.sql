-- What changes about a device while it is watched: its clock, interval, owner, machine and services.

-- agent_devices_changes --
-- `clock_offset_seconds` is the device's clock minus ours by its last heartbeat; `sample_lag` how far its newest sample
-- lay from the time of its receipt, null when that was within two minutes, and `sample_lag_since` since when it has been
-- about the same. Once both agree, or the lag has been steady, `clock_shift` is that lag if the clock is behind: rules are
-- judged at the device's own time. (What lies ahead is seen anyway.) `clock_off_since` is since when people can see that the clock is wrong, `clock_told_at` when an event last
-- said so.
-- `boot_by_receipt` is the boot time by our clock, `boot_fallen` how many of the returns in `boot_returns` came with an
-- uptime that fell: one machine whose clock is set to and fro has none.
-- `owned_since`: what was measured before belongs to a former owner. `same_machine_as`: a device that has the same
-- hardware address or host name.
ALTER TABLE agent_devices
    ADD COLUMN clock_offset_seconds double precision,
    ADD COLUMN sample_lag interval,
    ADD COLUMN sample_lag_since timestamptz,
    ADD COLUMN clock_shift interval NOT NULL DEFAULT '0',
    ADD COLUMN clock_off_since timestamptz,
    ADD COLUMN clock_told_at timestamptz,
    ADD COLUMN boot_by_receipt timestamptz,
    ADD COLUMN boot_fallen integer NOT NULL DEFAULT 0,
    ADD COLUMN owned_since timestamptz,
    ADD COLUMN same_machine_as uuid REFERENCES agent_devices (id) ON DELETE SET NULL;

-- agent_device_intervals --
-- How often a device was to take samples before; `until_at` is when it learned of another interval, null until then.
CREATE TABLE agent_device_intervals (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    agent_device_id uuid NOT NULL REFERENCES agent_devices (id) ON DELETE CASCADE,
    seconds integer NOT NULL CHECK (seconds > 0),
    changed_at timestamptz NOT NULL,
    until_at timestamptz
);
CREATE INDEX agent_device_intervals_by_device ON agent_device_intervals (agent_device_id, changed_at);

-- agent_device_owners --
-- Which businesses a device belonged to before, and until when.
CREATE TABLE agent_device_owners (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    agent_device_id uuid NOT NULL REFERENCES agent_devices (id) ON DELETE CASCADE,
    business_id uuid NOT NULL REFERENCES businesses (id) ON DELETE CASCADE,
    from_at timestamptz,
    until_at timestamptz NOT NULL
);
CREATE INDEX agent_device_owners_by_device ON agent_device_owners (agent_device_id, until_at);

-- agent_former_owners --
-- Whose it was, of what a device left behind when it changed hands: only employees read it.
ALTER TABLE agent_alert_history ADD COLUMN former_owner uuid REFERENCES businesses (id) ON DELETE CASCADE;
ALTER TABLE agent_events ADD COLUMN former_owner uuid REFERENCES businesses (id) ON DELETE CASCADE;
ALTER TABLE agent_software_inventory ADD COLUMN former_owner uuid REFERENCES businesses (id) ON DELETE CASCADE;
ALTER TABLE agent_commands ADD COLUMN former_owner uuid REFERENCES businesses (id) ON DELETE CASCADE;

-- agent_device_changes_owner --
-- A device that changes hands leaves its past with its former owner, whoever writes the change. Its open alerts end at
-- the next evaluation (alerts/state/evaluate.sql), its open commands now; services and software are listed anew.
CREATE FUNCTION agent_device_changes_owner() RETURNS trigger LANGUAGE plpgsql AS $body$
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
END $body$;
CREATE TRIGGER agent_device_changes_owner BEFORE UPDATE OF business_id ON agent_devices
    FOR EACH ROW WHEN (OLD.business_id IS DISTINCT FROM NEW.business_id)
    EXECUTE FUNCTION agent_device_changes_owner();

-- agent_monitored_services_missing --
-- `missing_since`: the newest complete list doesn't have the service any more; its status is then stopped.
ALTER TABLE agent_monitored_services ADD COLUMN missing_since timestamptz;
CREATE INDEX agent_monitored_services_missing ON agent_monitored_services (missing_since)
    WHERE missing_since IS NOT NULL;
-- Names of Windows' services know no case: of several spellings the newest stays.
DELETE FROM agent_monitored_services s
USING agent_devices d, agent_monitored_services newer
WHERE d.id = s.agent_device_id AND d.os_type = 'windows' AND newer.agent_device_id = s.agent_device_id
  AND lower(newer.service_name) = lower(s.service_name) AND newer.id <> s.id
  AND (newer.last_checked, newer.id) > (s.last_checked, s.id);

-- alert_pairs --
-- As before, but `every` is the longest interval of the last two days: a device that is told of another one goes on with
-- the old one until it hears of it, and what it measured before isn't missing.
CREATE OR REPLACE FUNCTION alert_pairs(leaves jsonb, tenant uuid, among uuid[] DEFAULT NULL)
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
$body$;
