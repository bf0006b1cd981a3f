-- Statements of `rebuild.py`; a revision may run them at any time, so they read the catalogue of the database only.

-- columns_of --
-- Columns of a relation with their types, in their order. :relation.
SELECT attname::text AS name, format_type(atttypid, NULL) AS type
FROM pg_attribute
WHERE attrelid = CAST(:relation AS regclass) AND attnum > 0 AND NOT attisdropped
ORDER BY attnum

-- behind --
-- The hypertable behind a continuous aggregate. :relation.
SELECT format('%I.%I', materialization_hypertable_schema, materialization_hypertable_name)
FROM timescaledb_information.continuous_aggregates
WHERE format('%I.%I', view_schema, view_name)::regclass = CAST(:relation AS regclass)

-- storage_of --
-- The policies of a continuous aggregate as they are set now. :relation.
SELECT d.time_interval::text AS chunk,
       max(j.config ->> 'compress_after') AS columnstore_after, max(j.config ->> 'drop_after') AS keep,
       max(j.config ->> 'start_offset') AS start_offset, max(j.config ->> 'end_offset') AS end_offset,
       max(j.schedule_interval::text) FILTER (WHERE j.proc_name IN ('policy_refresh_continuous_aggregate',
                                                                    'agent_refresh_rollup')) AS every
FROM timescaledb_information.continuous_aggregates a
JOIN timescaledb_information.dimensions d
    ON (d.hypertable_schema, d.hypertable_name) = (a.materialization_hypertable_schema, a.materialization_hypertable_name)
-- Old versions name the hypertable behind an aggregate here, new ones the aggregate itself.
JOIN timescaledb_information.jobs j
    ON j.hypertable_name IN (a.view_name, a.materialization_hypertable_name) OR j.config ->> 'relation' = a.view_name
WHERE format('%I.%I', a.view_schema, a.view_name)::regclass = CAST(:relation AS regclass)
GROUP BY d.time_interval

-- grants_of --
-- Statements that grant again what roles may do on :relation, on the relation that has its name then.
SELECT format('GRANT %s ON %s TO %s', g.privilege_type, CAST(:relation AS text),
              CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(g.grantee)) END)
FROM pg_class c, aclexplode(c.relacl) g
WHERE c.oid = CAST(:relation AS regclass) AND g.grantee <> c.relowner

-- refresh_job --
-- The job that refreshes a continuous aggregate: a policy of TimescaleDB, or our procedure. :relation.
SELECT j.job_id
FROM timescaledb_information.continuous_aggregates a
JOIN timescaledb_information.jobs j
    ON j.hypertable_name IN (a.view_name, a.materialization_hypertable_name) OR j.config ->> 'relation' = a.view_name
WHERE format('%I.%I', a.view_schema, a.view_name)::regclass = CAST(:relation AS regclass)
  AND j.proc_name IN ('policy_refresh_continuous_aggregate', 'agent_refresh_rollup')

-- remove_second_refresh --
-- Remove the refresh policy that TimescaleDB wants before a columnstore policy, where our procedure refreshes. :relation.
SELECT remove_continuous_aggregate_policy(CAST(:relation AS regclass), if_exists => true)
WHERE EXISTS (SELECT FROM timescaledb_information.jobs j
              WHERE j.proc_name = 'agent_refresh_rollup' AND j.config ->> 'relation' = CAST(:relation AS text))

-- comment_of --
-- The comment of a relation; null without one, and where it is missing.
SELECT obj_description(to_regclass(:relation), 'pg_class')

-- refreshed_range --
-- What a refresh of a level computes from its source now, as its job does: whole buckets from where the source has all
-- chunks and retention drops none, as far back as the job looks, and up to where the level is complete. Null where that
-- is no bucket. :relation, :source, :width, :start and :end offset of the job.
WITH source AS (
    SELECT COALESCE((SELECT format('%I.%I', materialization_hypertable_schema, materialization_hypertable_name)::regclass
                     FROM timescaledb_information.continuous_aggregates
                     WHERE format('%I.%I', view_schema, view_name)::regclass = CAST(:source AS regclass)),
                    CAST(:source AS regclass)) AS id
), chunk AS (
    SELECT s.id, min(k.range_start) AS oldest
    FROM source s JOIN timescaledb_information.chunks k
      ON format('%I.%I', k.hypertable_schema, k.hypertable_name)::regclass = s.id
    GROUP BY s.id
), dropped AS (
    SELECT max(now() - CAST(j.config ->> 'drop_after' AS interval)) AS until
    FROM source s JOIN timescaledb_information.jobs j
      ON j.proc_name = 'policy_retention'
     AND format('%I.%I', j.hypertable_schema, j.hypertable_name)::regclass IN (s.id, CAST(:source AS regclass))
), range AS (
    SELECT time_bucket(CAST(:width AS interval), GREATEST(c.oldest, now() - CAST(:start AS interval), d.until))
               + CAST(:width AS interval) AS first,
           GREATEST(time_bucket(CAST(:width AS interval), now() - CAST(:end AS interval)), (
               SELECT _timescaledb_functions.to_timestamp(w.watermark)
               FROM _timescaledb_catalog.continuous_agg a
               JOIN _timescaledb_catalog.continuous_aggs_watermark w ON w.mat_hypertable_id = a.mat_hypertable_id
               WHERE format('%I.%I', a.user_view_schema, a.user_view_name)::regclass = CAST(:relation AS regclass)
           )) AS last
    FROM chunk c CROSS JOIN dropped d
)
SELECT max(first), max(last) FROM range WHERE first < last

-- chunks_before --
-- Chunks of a hypertable before a time (null: all), the oldest first: where each begins and ends, and whether it is in
-- the columnstore and ends before that time. :behind, :until.
SELECT range_start, LEAST(range_end, CAST(:until AS timestamptz)),
       is_compressed AND (range_end <= CAST(:until AS timestamptz)) IS NOT FALSE
FROM timescaledb_information.chunks
WHERE format('%I.%I', hypertable_schema, hypertable_name) = :behind
  AND (range_start < CAST(:until AS timestamptz)) IS NOT FALSE
ORDER BY range_start

-- copy --
-- Copy the buckets from :start until before :end. Those up to the newest that is there were copied or computed before.
INSERT INTO BEHIND (COLUMNS) SELECT VALUES FROM LEVEL
WHERE bucket >= CAST(:start AS timestamptz) AND bucket < CAST(:end AS timestamptz)
  AND bucket > COALESCE((SELECT max(bucket) FROM BEHIND
                         WHERE bucket >= CAST(:start AS timestamptz) AND bucket < CAST(:end AS timestamptz)), '-infinity')

-- convert --
-- Move chunks of a hypertable in a range to the columnstore. :behind, :start, :end.
SELECT compress_chunk(format('%I.%I', chunk_schema, chunk_name)::regclass, true)
FROM timescaledb_information.chunks
WHERE format('%I.%I', hypertable_schema, hypertable_name) = :behind AND NOT is_compressed
  AND range_start < CAST(:end AS timestamptz) AND range_end > CAST(:start AS timestamptz)

-- refresh --
-- Compute a range of a level, in one piece. :relation, :start, :end.
CALL refresh_continuous_aggregate(CAST(:relation AS regclass), CAST(:start AS timestamptz), CAST(:end AS timestamptz),
                                  options => '{"buckets_per_batch": 0}')

-- is_filled_in --
-- Whether the view of a level fills in what its buckets don't repeat.
SELECT pg_get_viewdef(CAST(:relation AS regclass)) LIKE '%COALESCE%'
