-- The chain of hashes over the audit trail: sealed and forgotten by the worker, verified by a command.

-- seal --
-- Returns how many rows were sealed; null when others held the table too long.
SELECT agent_audit_seal(:limit)

-- forget --
-- Returns how many rows were deleted. :before rows from before this time, :limit most seals.
SELECT agent_audit_forget(:before::timestamptz, :limit)

-- head --
-- The newest seal, and how many rows wait for the next one.
SELECT s.id, s.last_id, encode(s.hash, 'hex') AS hash,
       (SELECT count(*) FROM agent_audit t WHERE t.id > COALESCE(s.last_id, 0)) AS unsealed
FROM (VALUES (1)) AS one
LEFT JOIN LATERAL (SELECT * FROM agent_audit_seals ORDER BY id DESC LIMIT 1) s ON true

-- hash_at --
-- The hash of the chain up to a row that ended a seal; null when no seal ended there. :last_id id of the row.
SELECT encode(hash, 'hex') FROM agent_audit_seals WHERE last_id = :last_id

-- first_of_newest --
-- The seal before the newest ones; null when there are no more than those. :newest how many.
SELECT CASE WHEN count(*) > :newest THEN min(id) END
FROM (SELECT id FROM agent_audit_seals ORDER BY id DESC LIMIT :newest + 1) newest

-- next_seal --
-- The seal after one (null: the oldest).
SELECT min(id) FROM agent_audit_seals WHERE :after::bigint IS NULL OR id > :after

-- verify --
-- The seals from one on, each with its hash as it should be and the rows that differ. Of the first seal read only the
-- hash is used, unless the chain begins with it. :after id of the first seal (null: the oldest), :limit most seals.
WITH seal AS (
    SELECT s.*, lag(s.hash) OVER w AS hash_before, lag(s.last_id) OVER w AS id_before,
           s.ids IS NOT NULL AND (:after::bigint IS NULL OR s.id > :after) AS is_checked
    FROM agent_audit_seals s
    WHERE :after::bigint IS NULL OR s.id >= :after
    WINDOW w AS (ORDER BY s.id)
    ORDER BY s.id
    LIMIT :limit
)
SELECT s.id, s.last_id, s.row_count, s.is_checked,
       NOT s.is_checked OR s.hash = agent_audit_link(s.hash_before, s.ids, s.digests) AS is_linked,
       ARRAY(SELECT d.id FROM unnest(s.ids) AS d (id)
             WHERE s.is_checked AND NOT EXISTS (SELECT FROM agent_audit t WHERE t.id = d.id)) AS missing,
       ARRAY(SELECT t.id FROM unnest(s.ids, s.digests) AS d (id, digest) JOIN agent_audit t ON t.id = d.id
             WHERE s.is_checked AND agent_audit_digest(t) <> d.digest) AS altered,
       ARRAY(SELECT t.id FROM agent_audit t
             WHERE s.is_checked AND t.id > COALESCE(s.id_before, 0) AND t.id <= s.last_id
               AND t.id <> ALL (s.ids)) AS added
FROM seal s
ORDER BY s.id
