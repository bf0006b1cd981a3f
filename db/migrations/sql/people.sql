-- An employee may be deleted by the platform: our rows keep the name beside the reference that is then empty.

-- name_columns --
ALTER TABLE agent_devices ADD COLUMN created_by_name text;
ALTER TABLE agent_registration_tokens ADD COLUMN created_by_name text, ALTER COLUMN created_by DROP NOT NULL;
ALTER TABLE agent_commands ADD COLUMN requested_by_name text, ADD COLUMN approved_by_name text,
    ALTER COLUMN requested_by DROP NOT NULL;
ALTER TABLE agent_alerts ADD COLUMN created_by_name text;
ALTER TABLE agent_alert_history ADD COLUMN acknowledged_by_name text, ADD COLUMN resolved_by_name text;
ALTER TABLE agent_maintenance_windows ADD COLUMN created_by_name text, ALTER COLUMN created_by DROP NOT NULL;
ALTER TABLE agent_software_eol ADD COLUMN created_by_name text, ADD COLUMN updated_by_name text,
    ALTER COLUMN created_by DROP NOT NULL, ALTER COLUMN updated_by DROP NOT NULL;

-- agent_keep_names --
-- Copies the name of each employee that a row refers to into `<column>_name`; its arguments are the columns. The deletion
-- of an employee makes the reference null and leaves the name. It runs in sessions of the platform too, with their search
-- path: so it names no table of ours.
CREATE FUNCTION agent_keep_names() RETURNS trigger LANGUAGE plpgsql AS $body$
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
END $body$;

-- name_triggers --
-- Uploads set none of these columns: they never run this.
CREATE TRIGGER agent_keep_names BEFORE INSERT OR UPDATE OF created_by ON agent_devices
    FOR EACH ROW EXECUTE FUNCTION agent_keep_names('created_by');
CREATE TRIGGER agent_keep_names BEFORE INSERT OR UPDATE OF created_by ON agent_registration_tokens
    FOR EACH ROW EXECUTE FUNCTION agent_keep_names('created_by');
CREATE TRIGGER agent_keep_names BEFORE INSERT OR UPDATE OF requested_by, approved_by ON agent_commands
    FOR EACH ROW EXECUTE FUNCTION agent_keep_names('requested_by', 'approved_by');
CREATE TRIGGER agent_keep_names BEFORE INSERT OR UPDATE OF created_by ON agent_alerts
    FOR EACH ROW EXECUTE FUNCTION agent_keep_names('created_by');
CREATE TRIGGER agent_keep_names BEFORE UPDATE OF acknowledged_by, resolved_by ON agent_alert_history
    FOR EACH ROW EXECUTE FUNCTION agent_keep_names('acknowledged_by', 'resolved_by');
CREATE TRIGGER agent_keep_names BEFORE INSERT OR UPDATE OF created_by ON agent_maintenance_windows
    FOR EACH ROW EXECUTE FUNCTION agent_keep_names('created_by');
CREATE TRIGGER agent_keep_names BEFORE INSERT OR UPDATE OF created_by, updated_by ON agent_software_eol
    FOR EACH ROW EXECUTE FUNCTION agent_keep_names('created_by', 'updated_by');

-- ticket_fault_reason --
-- Why a ticket is put off, as a code; the words are in last_error.
ALTER TABLE agent_alert_tickets ADD COLUMN fault_reason text CHECK (length(fault_reason) <= 40);
