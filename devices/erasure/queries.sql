-- Erasure. The statements over levels and tables are composed from the catalog, so that a new table that refers to a
-- device or a business is erased too.

-- compose_levels --
-- For each level: the condition that selects rows of one erasure's devices, as statements that count and delete them.
-- Whole devices only ($1 keys): one condition on the column that segments the columnstore.
SELECT l.relation, l.key,
       format('SELECT count(*) FROM %I WHERE %I = ANY ($1::%s[])', l.relation, l.key, t.type) AS counts,
       format('DELETE FROM %I WHERE %I = ANY ($1::%s[])', l.relation, l.key, t.type) AS deletes
FROM unnest(:relations::text[], :keys::text[]) AS l (relation, key)
CROSS JOIN LATERAL (SELECT CASE l.key WHEN 'series_id' THEN 'integer' ELSE 'uuid' END AS type) t

-- compose_periods --
-- The same for the time in which a device belonged to a business: [$2, $3) of the statements, and each bucket
-- that begins before its end and ends after its start.
SELECT l.relation, l.key,
       format('SELECT count(*) FROM %I WHERE %I = ANY ($1::%s[]) AND %I > $2::timestamptz - %L::interval AND %I < $3',
              l.relation, l.key, t.type, l.time, l.bucket, l.time) AS counts,
       format('DELETE FROM %I WHERE %I = ANY ($1::%s[]) AND %I > $2::timestamptz - %L::interval AND %I < $3',
              l.relation, l.key, t.type, l.time, l.bucket, l.time) AS deletes
FROM unnest(:relations::text[], :keys::text[], :times::text[], :buckets::interval[]) AS l (relation, key, time, bucket)
CROSS JOIN LATERAL (SELECT CASE l.key WHEN 'series_id' THEN 'integer' ELSE 'uuid' END AS type) t

-- compose_tables --
-- Statements that count the rows of each of our tables that go with rows of :parent (`agent_devices` or
-- `businesses`), by references that cascade, directly or through other tables of the product. Their parameter is an
-- array of ids.
WITH RECURSIVE reached (oid, name, condition, depth) AS (
    SELECT c.oid, c.relname, format('%I = ANY ($1::uuid[])', a.attname), 1
    FROM pg_constraint k
    JOIN pg_class c ON c.oid = k.conrelid
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.conkey[1]
    WHERE k.contype = 'f' AND k.confdeltype = 'c' AND k.confrelid = to_regclass(:parent) AND c.relname LIKE 'agent\_%'
      AND c.relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = 'agent_devices'::regclass)
    UNION
    SELECT c.oid, c.relname,
           format('%I IN (SELECT %I FROM %I WHERE %s)', a.attname, b.attname, r.name, r.condition), r.depth + 1
    FROM reached r
    JOIN pg_constraint k ON k.confrelid = r.oid AND k.contype = 'f' AND k.confdeltype = 'c'
    JOIN pg_class c ON c.oid = k.conrelid AND c.oid <> r.oid
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.conkey[1]
    JOIN pg_attribute b ON b.attrelid = r.oid AND b.attnum = k.confkey[1]
    WHERE r.depth < 4 AND c.relname LIKE 'agent\_%'
), tables AS (
    SELECT name, string_agg(DISTINCT '(' || condition || ')', ' OR ') AS condition FROM reached GROUP BY name
    UNION ALL
    SELECT 'agent_devices', 'id = ANY ($1::uuid[])' WHERE :parent = 'agent_devices'
)
SELECT name AS table, format('SELECT count(*) FROM %I WHERE %s', name, condition) AS counts FROM tables ORDER BY name

-- compose_deletes --
-- Statements that delete the rows of our tables that refer to :parent directly; the rest goes by its references.
SELECT format('DELETE FROM %I WHERE %s', c.relname,
              string_agg(format('%I = ANY ($1::uuid[])', a.attname), ' OR ')) AS deletes
FROM pg_constraint k
JOIN pg_class c ON c.oid = k.conrelid
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.conkey[1]
WHERE k.contype = 'f' AND k.confdeltype = 'c' AND k.confrelid = to_regclass(:parent) AND c.relname LIKE 'agent\_%'
  AND c.relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = 'agent_devices'::regclass)
GROUP BY c.relname
ORDER BY c.relname = 'agent_devices', c.relname

-- delete_devices --
-- The devices themselves, with everything that refers to them.
DELETE FROM agent_devices WHERE id = ANY (:devices::uuid[])

-- spare_the_others --
-- Make deletes cost nothing for other devices: decompress only the rows that go, without a limit, and log no range for
-- a refresh, because every level is deleted from here. Older versions lack some of these settings. Ends with the
-- transaction.
SELECT set_config(s.name, w.value, true)
FROM (VALUES ('timescaledb.skip_cagg_invalidation', 'on'),
             ('timescaledb.enable_compressed_direct_batch_delete', 'off'),
             ('timescaledb.max_tuples_decompressed_per_dml_transaction', '0')) AS w (name, value)
JOIN pg_settings s ON s.name = w.name

-- list_whole --
-- Devices that a subject erases wholly, with their series. :device_id, :business_id; both null: devices that have
-- measurements and no row. Those are found by the coarsest level and the samples of the last three days.
SELECT d.id, ARRAY(SELECT s.id FROM agent_series s WHERE s.agent_device_id = d.id ORDER BY s.id) AS series_ids
FROM agent_devices d WHERE d.id = :device_id::uuid OR d.business_id = :business_id::uuid
UNION ALL
SELECT :device_id, '{}' WHERE :device_id IS NOT NULL AND NOT EXISTS (SELECT FROM agent_devices WHERE id = :device_id)
UNION ALL
SELECT m.id, '{}'
FROM (SELECT agent_device_id AS id FROM agent_metrics_1d
      UNION SELECT agent_device_id FROM agent_metrics WHERE collected_at > now() - interval '3 days') m
WHERE :device_id IS NULL AND :business_id IS NULL AND NOT EXISTS (SELECT FROM agent_devices d WHERE d.id = m.id)
ORDER BY 1

-- list_periods --
-- When devices that belong to others now belonged to a business; of a first owner everything before too.
SELECT o.agent_device_id AS id, ARRAY(SELECT s.id FROM agent_series s WHERE s.agent_device_id = d.id) AS series_ids,
       CASE WHEN EXISTS (SELECT FROM agent_device_owners b
                         WHERE b.agent_device_id = o.agent_device_id AND b.until_at < o.until_at)
            THEN o.from_at ELSE '2000-01-01' END AS from_at, o.until_at
FROM agent_device_owners o JOIN agent_devices d ON d.id = o.agent_device_id
WHERE o.business_id = :business_id AND d.business_id <> :business_id
ORDER BY o.agent_device_id, o.from_at

-- count_audit --
-- Rows of the audit trail that name a device, a business or a person: they stay.
SELECT count(*) FROM agent_audit WHERE agent_device_id = ANY (:devices::uuid[])
   OR details ->> 'business_id' = :business_id::uuid::text OR actor_id = :person_id::uuid

-- list_holds --
-- Legal holds in force on one of these devices or on a business; all of them for a person, whom each may name.
SELECT h.id, h.subject, h.reason
FROM agent_legal_holds h
WHERE h.released_at IS NULL
  AND (:is_person OR h.business_id = :business_id::uuid
       OR EXISTS (SELECT FROM agent_held_devices d WHERE d.hold_id = h.id
         AND d.agent_device_id = ANY (:devices::uuid[])))
ORDER BY h.id

-- list_unfinished --
-- Devices of which an erasure has not deleted everything.
SELECT agent_device_id FROM agent_erasure_devices WHERE erasure_id = :erasure AND erased_at IS NULL

-- find_waiting --
-- An erasure of the same subject that waits.
SELECT id FROM agent_erasures WHERE state = 'waiting' AND subject_kind = :kind
  AND subject_id IS NOT DISTINCT FROM :subject_id::uuid

-- add_erasure --
-- :kind, :subject_id, :reason, :now, :by whom, :devices; :actor_kind, :actor_id, :actor_source who acts.
WITH added AS (
    INSERT INTO agent_erasures (subject_kind, subject_id, reason, requested_at, requested_by, devices)
    VALUES (:kind, :subject_id, :reason, :now, :by, :devices)
    RETURNING id
), audited AS (
    {audit}
    SELECT :now, {actor}, 'erasure_requested', CASE WHEN :kind = 'device' THEN :subject_id::uuid END,
           jsonb_build_object('erasure', id, 'subject', :kind::text, 'by', :by::text, 'devices', :devices::integer)
           || CASE WHEN :kind = 'business' THEN jsonb_build_object('business_id', :subject_id::uuid) ELSE '{}' END
    FROM added
)
SELECT id FROM added

-- add_devices --
-- :erasure, :devices, :starts and :ends of their time; null for all of it. One that is there again is erased again.
INSERT INTO agent_erasure_devices (erasure_id, agent_device_id, from_at, until_at)
SELECT :erasure, d.id, d.from_at, d.until_at
FROM unnest(:devices::uuid[], :starts::timestamptz[], :ends::timestamptz[]) AS d (id, from_at, until_at)
ON CONFLICT (erasure_id, agent_device_id, from_at) DO UPDATE SET erased_at = NULL

-- refuse_devices --
-- No token of these devices is good any more, and nobody sees them.
UPDATE agent_devices
SET agent_token = NULL, previous_agent_token = NULL, previous_token_until = NULL, rotation_requested_at = NULL,
    is_active = false, soft_delete = true, deleted_at = COALESCE(deleted_at, :now),
    decommissioned_at = COALESCE(decommissioned_at, :now), status = 'disabled', status_due_at = NULL, updated_at = :now
WHERE id = ANY (:devices::uuid[])

-- refuse_tokens --
-- Registration tokens of a device or a business.
DELETE FROM agent_registration_tokens
WHERE for_device_id = ANY (:devices::uuid[]) OR agent_device_id = ANY (:devices) OR business_id = :business_id::uuid

-- list_waiting --
-- Erasures that are not done, the oldest first.
SELECT id, subject_kind, subject_id FROM agent_erasures WHERE state = 'waiting' ORDER BY id

-- lock_erasure --
-- One process works on an erasure at a time; no row for one that another process has, or that no longer waits.
-- :erasure.
SELECT subject_kind, subject_id FROM agent_erasures WHERE id = :erasure AND state = 'waiting' FOR UPDATE SKIP LOCKED

-- take_devices --
-- The next devices of an erasure with their series now; of periods one at a time.
SELECT e.id, e.agent_device_id, e.from_at, e.until_at,
       ARRAY(SELECT s.id FROM agent_series s WHERE s.agent_device_id = e.agent_device_id) AS series_ids
FROM agent_erasure_devices e
WHERE e.erasure_id = :erasure AND e.erased_at IS NULL
ORDER BY e.from_at NULLS FIRST, e.id
LIMIT :limit

-- forget_faults --
-- The items that the worker postponed because of these devices.
DELETE FROM agent_isolated_faults f USING unnest(:devices::uuid[]) AS d (id) WHERE position(d.id::text IN f.item) > 0

-- note_devices --
-- These are erased; their series are noted for the recount. :items rows, :now.
UPDATE agent_erasure_devices e
SET erased_at = :now::timestamptz,
    series_ids = ARRAY(SELECT s.id FROM agent_series s WHERE s.agent_device_id = e.agent_device_id)
WHERE e.id = ANY (:items::bigint[])

-- note_deleted --
-- Add rows that were deleted, by table, to the certificate. :erasure, :rows by table as JSON.
UPDATE agent_erasures
SET deleted = (SELECT COALESCE(jsonb_object_agg(name, rows), '{}')
               FROM (SELECT name, sum(rows) AS rows
                     FROM (SELECT key AS name, value::bigint AS rows FROM jsonb_each_text(deleted)
                           UNION ALL SELECT key, value::bigint FROM jsonb_each_text(:rows::jsonb)) a
                     GROUP BY name) s)
WHERE id = :erasure

-- end_erasure --
-- Everything is deleted.
WITH ended AS (
    UPDATE agent_erasures e
    SET state = 'erased', erased_at = :now,
        devices = (SELECT count(*) FROM agent_erasure_devices d WHERE d.erasure_id = e.id)
    WHERE e.id = :erasure
    RETURNING id, devices
)
{audit}
SELECT :now, {system}, 'erasure_done', NULL, jsonb_build_object('erasure', id, 'devices', devices) FROM ended

-- read_subject --
-- The subject of an erasure. :erasure.
SELECT subject_kind, subject_id FROM agent_erasures WHERE id = :erasure

-- list_unproven --
-- Erasures that were done before a time. :until the time.
SELECT id, subject_kind, subject_id FROM agent_erasures WHERE state = 'erased' AND erased_at <= :until ORDER BY id

-- list_erased --
-- The rows that an erasure deleted, by table.
SELECT agent_device_id, series_ids, from_at, until_at FROM agent_erasure_devices
WHERE erasure_id = :erasure
ORDER BY from_at NULLS FIRST, id

-- note_recount --
-- Store the result of a recount, by table. :erasure, :rows by table, :now, :is_proof whether it is the proof.
WITH counted AS (
    UPDATE agent_erasures
    SET recount = :rows::jsonb, proven_at = CASE WHEN :is_proof THEN :now::timestamptz END,
        state = CASE WHEN :is_proof THEN 'proven' ELSE state END
    WHERE id = :erasure
    RETURNING id
), forgotten AS (
    DELETE FROM agent_erasure_devices WHERE :is_proof AND erasure_id = :erasure
)
{audit}
SELECT :now, {system}, 'erasure_proven', NULL, jsonb_build_object('erasure', id) FROM counted WHERE :is_proof

-- cancel_erasure --
-- Only before the first row was deleted. The devices stay deleted until an employee restores them. :erasure, :now,
-- :by whom; :actor_kind, :actor_id, :actor_source who acts.
WITH cancelled AS (
    UPDATE agent_erasures e SET state = 'cancelled'
    WHERE e.id = :erasure AND e.state = 'waiting'
      AND NOT EXISTS (SELECT FROM agent_erasure_devices d WHERE d.erasure_id = e.id AND d.erased_at IS NOT NULL)
    RETURNING id
), forgotten AS (
    DELETE FROM agent_erasure_devices WHERE erasure_id IN (SELECT id FROM cancelled)
), audited AS (
    {audit}
    SELECT :now, {actor}, 'erasure_cancelled', NULL,
           jsonb_build_object('erasure', id, 'by', :by::text)
    FROM cancelled
)
SELECT id FROM cancelled

-- list_erasures --
-- All of them, the newest first.
SELECT id, subject_kind, subject_id, reason, requested_at, requested_by, state, devices, deleted, recount, erased_at,
       proven_at, current_database() AS database
FROM agent_erasures ORDER BY id DESC

-- read_certificate --
-- One of them.
SELECT id, subject_kind, subject_id, reason, requested_at, requested_by, state, devices, deleted, recount, erased_at,
       proven_at, current_database() AS database
FROM agent_erasures WHERE id = :erasure
