-- The audit trail only grows, and a chain of hashes shows whether that was so.

-- agent_audit_unknown_actors --
-- A refused call may come from somebody whose token says nothing that can be trusted.
ALTER TABLE agent_audit DROP CONSTRAINT agent_audit_actor_kind_check;

-- agent_audit_actor_kinds --
ALTER TABLE agent_audit ADD CONSTRAINT agent_audit_actor_kind_check
    CHECK (actor_kind IN ('employee', 'user', 'agent', 'system', 'unknown'));

-- agent_audit_by_actor --
-- What the filters of the whole trail read, each in the order of the list.
CREATE INDEX agent_audit_by_actor ON agent_audit (actor_id, id DESC) WHERE actor_id IS NOT NULL;
CREATE INDEX agent_audit_by_action ON agent_audit (action, id DESC);
CREATE INDEX agent_audit_by_business ON agent_audit ((details ->> 'business_id'), id DESC)
    WHERE details ->> 'business_id' IS NOT NULL;
CREATE INDEX agent_audit_by_time ON agent_audit (at, id);

-- agent_audit_seals --
-- The chain. Each seal covers rows of the trail in the order of their ids: `digests` has SHA-256 of each of the rows
-- `ids`, `hash` that of the hash before and of both arrays. The retention empties the arrays of the rows that it deletes.
CREATE TABLE agent_audit_seals (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sealed_at timestamptz NOT NULL,
    last_id bigint NOT NULL UNIQUE,
    newest_at timestamptz NOT NULL,
    row_count integer NOT NULL CHECK (row_count > 0),
    ids bigint[],
    digests bytea[],
    hash bytea NOT NULL CHECK (length(hash) = 32)
);

-- agent_audit_digest --
-- SHA-256 of everything that a row says.
CREATE FUNCTION agent_audit_digest(entry agent_audit) RETURNS bytea LANGUAGE sql STABLE AS $body$
    SELECT sha256(convert_to(jsonb_build_array(
        entry.id, to_char(entry.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'), entry.actor_kind, entry.actor_id,
        host(entry.source), entry.action, entry.agent_device_id, entry.command_id, entry.details)::text, 'UTF8'))
$body$;

-- agent_audit_link --
-- The hash of a seal. The first one has no hash before.
CREATE FUNCTION agent_audit_link(before bytea, ids bigint[], digests bytea[]) RETURNS bytea LANGUAGE sql STABLE AS $body$
    SELECT sha256(COALESCE(before, '') || convert_to(array_to_string(ids, ','), 'UTF8')
                  || string_agg(d.digest, ''::bytea ORDER BY d.place))
    FROM unnest(digests) WITH ORDINALITY AS d (digest, place)
$body$;

-- agent_audit_seal --
-- Seal the oldest rows that have no seal, at most `most`; returns how many. The lock waits for the transactions that are
-- writing rows (an id is given before its transaction commits) and holds up others for that moment: at most a second,
-- then null, and the rows are sealed at a later call.
CREATE FUNCTION agent_audit_seal(most integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET lock_timeout = '1s' AS $body$
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
    SELECT count(*)::integer AS rows, max(r.id) AS last_id, max(r.at) AS newest_at, array_agg(r.id ORDER BY r.id) AS ids,
           array_agg(agent_audit_digest(r.entry) ORDER BY r.id) AS digests
    INTO sealed
    FROM (SELECT t.id, t.at, t AS entry FROM agent_audit t WHERE t.id > COALESCE(before.last_id, 0)
          ORDER BY t.id LIMIT most) r;
    IF sealed.rows > 0 THEN
        INSERT INTO agent_audit_seals (sealed_at, last_id, newest_at, row_count, ids, digests, hash)
        VALUES (clock_timestamp(), sealed.last_id, sealed.newest_at, sealed.rows, sealed.ids, sealed.digests,
                agent_audit_link(before.hash, sealed.ids, sealed.digests));
    END IF;
    RETURN sealed.rows;
END $body$;

-- agent_audit_forget --
-- Delete the oldest seals' rows when all of them are from before `until_at`; returns how many rows. The newest seal that was
-- deleted stays without its arrays: the chain begins at its hash. Nothing younger than 30 days is deleted, whoever asks.
CREATE FUNCTION agent_audit_forget(until_at timestamptz, most integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER AS $body$
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
    PERFORM set_config('rts.audit_forget', 'on', true);
    DELETE FROM agent_audit WHERE id <= gone.last_id;
    DELETE FROM agent_audit_seals WHERE id < gone.id;
    UPDATE agent_audit_seals SET ids = NULL, digests = NULL WHERE id = gone.id;
    PERFORM set_config('rts.audit_forget', '', true);
    INSERT INTO agent_audit (at, actor_kind, action, details)
    VALUES (clock_timestamp(), 'system', 'audit_rows_deleted',
            jsonb_build_object('before', until_at, 'rows', gone.rows, 'last_id', gone.last_id));
    RETURN gone.rows;
END $body$;

-- agent_audit_permit --
-- Raise unless the role of the session may write the trail: both functions run with the rights of their owner.
CREATE FUNCTION agent_audit_permit() RETURNS void LANGUAGE plpgsql STABLE AS $body$
BEGIN
    IF NOT has_table_privilege(session_user, 'agent_audit', 'INSERT') THEN
        RAISE EXCEPTION 'this role may not write the audit trail' USING ERRCODE = 'insufficient_privilege';
    END IF;
END $body$;

-- agent_audit_refuse_change --
-- Rows are added and read, nothing else, also where the application's role owns the tables.
CREATE FUNCTION agent_audit_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    IF current_setting('rts.audit_forget', true) = 'on' THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION 'rows of % are never changed or deleted', TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege', HINT = 'RTS_AUDIT_DAYS sets how long the audit trail is kept.';
END $body$;

-- agent_audit_append_only --
CREATE TRIGGER agent_audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON agent_audit
    FOR EACH STATEMENT EXECUTE FUNCTION agent_audit_refuse_change();

-- agent_audit_seals_append_only --
CREATE TRIGGER agent_audit_seals_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON agent_audit_seals
    FOR EACH STATEMENT EXECUTE FUNCTION agent_audit_refuse_change();

-- agent_audit_paths --
-- Functions that run with their owner's rights look into our schema only, temporary tables of the caller last.
DO $body$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['agent_audit_seal(integer)', 'agent_audit_forget(timestamptz, integer)'] LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = %I, pg_temp', name, current_schema());
    END LOOP;
END $body$;

-- agent_audit_rights --
-- No role but the owner keeps more than it needs: SELECT and INSERT on the trail, SELECT on the seals.
DO $body$
DECLARE
    held record;
BEGIN
    FOR held IN
        SELECT c.relname, a.grantee, a.privilege_type
        FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) a
        WHERE c.oid IN ('agent_audit'::regclass, 'agent_audit_seals'::regclass) AND a.grantee NOT IN (0, c.relowner)
          AND (a.privilege_type IN ('UPDATE', 'DELETE', 'TRUNCATE')
               OR (a.privilege_type = 'INSERT' AND c.relname = 'agent_audit_seals'))
    LOOP
        EXECUTE format('REVOKE %s ON %I FROM %I', held.privilege_type, held.relname, pg_get_userbyid(held.grantee));
    END LOOP;
END $body$;
