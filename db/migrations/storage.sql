-- Statements of `storage.py`: run by released revisions, never changed. Parameters are SQLAlchemy's (:name).

-- set_chunk_interval --
-- For new chunks of a hypertable, or of the hypertable behind a continuous aggregate.
SELECT set_chunk_time_interval(
    COALESCE((SELECT format('%I.%I', materialization_hypertable_schema, materialization_hypertable_name)::regclass
              FROM timescaledb_information.continuous_aggregates
              WHERE format('%I.%I', view_schema, view_name)::regclass = CAST(:relation AS regclass)),
             CAST(:relation AS regclass)),
    CAST(:chunk AS interval))

-- add_columnstore_policy --
-- Converts chunks whose newest row is older than :after.
CALL add_columnstore_policy(CAST(:relation AS regclass), after => CAST(:after AS interval))

-- add_retention_policy --
-- Drops chunks whose newest row is older than :keep.
SELECT add_retention_policy(CAST(:relation AS regclass), drop_after => CAST(:keep AS interval))

-- add_refresh_policy --
-- Recomputes what changed between :start and :end ago, in one piece: refresh in batches of buckets could leave out
-- the last bucket of a range before TimescaleDB 2.29.0 (its changelog, #10221).
SELECT add_continuous_aggregate_policy(CAST(:relation AS regclass), start_offset => CAST(:start AS interval),
                                       end_offset => CAST(:end AS interval),
                                       schedule_interval => CAST(:every AS interval), buckets_per_batch => 0)
