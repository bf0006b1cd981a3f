-- Runs of TimescaleDB's jobs by the worker, and seals of the audit trail beside rows that can't be read.

-- agent_job_runs --
-- Jobs that TimescaleDB marks failed and delays, and that the worker runs at their interval: when its last run began, when
-- one ended well, and how many did. One row a job.
CREATE TABLE agent_job_runs (
    job_id integer PRIMARY KEY,
    begun_at timestamptz NOT NULL,
    succeeded_at timestamptz,
    runs bigint NOT NULL DEFAULT 0
);

-- agent_audit_seal --
-- Seal the oldest rows that have no seal, at most `most`; returns how many. The lock waits for the transactions that are
-- writing rows (an id is given before its transaction commits) and holds up others for that moment: at most a second,
-- then null, and the rows are sealed at a later call. Where a row can't be read, the others are sealed without it:
-- `audit verify` names it, and `agent_isolated_faults` has the reason.
CREATE OR REPLACE FUNCTION agent_audit_seal(most integer) RETURNS integer
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
END $body$;

-- agent_audit_readable --
-- The first `most` rows after `after_id` whose digest can be computed; the reasons of the others are noted.
CREATE FUNCTION agent_audit_readable(after_id bigint, most integer)
RETURNS TABLE (id bigint, at timestamptz, digest bytea) LANGUAGE plpgsql AS $body$
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
END $body$;

-- agent_audit_seal_paths --
-- Functions that run with their owner's rights look into our schema only, temporary tables of the caller last.
DO $body$
BEGIN
    EXECUTE format('ALTER FUNCTION agent_audit_seal(integer) SET search_path = %I, pg_temp', current_schema());
    EXECUTE format('ALTER FUNCTION agent_audit_readable(bigint, integer) SET search_path = %I, pg_temp', current_schema());
    REVOKE EXECUTE ON FUNCTION agent_audit_readable(bigint, integer) FROM PUBLIC;
END $body$;
