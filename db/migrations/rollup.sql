-- The template of a rollup level of `agent_metrics`: one part for each metric, by its kind and by what is rolled up.
-- LEVEL, SOURCE, WIDTH, TIME, SAMPLES and COLUMNS are those of the level, NAME and VALUE those of a metric.

-- level --
CREATE MATERIALIZED VIEW LEVEL
WITH (timescaledb.continuous, timescaledb.materialized_only = true, timescaledb.create_group_indexes = false) AS
SELECT agent_device_id, time_bucket('WIDTH', TIME) AS bucket, SAMPLES AS sample_count, COLUMNS
FROM SOURCE
GROUP BY 1, 2
WITH NO DATA

-- gauge_of_samples --
sum(VALUE) AS NAME_sum, count(NAME) AS NAME_count, min(VALUE) AS NAME_min, max(VALUE) AS NAME_max

-- gauge_of_buckets --
sum(NAME_sum) AS NAME_sum, sum(NAME_count)::bigint AS NAME_count, min(NAME_min) AS NAME_min, max(NAME_max) AS NAME_max

-- counter_of_samples --
first(VALUE, collected_at) FILTER (WHERE NAME IS NOT NULL) AS NAME_first,
last(VALUE, collected_at) FILTER (WHERE NAME IS NOT NULL) AS NAME_last,
min(collected_at) FILTER (WHERE NAME IS NOT NULL) AS NAME_first_at,
max(collected_at) FILTER (WHERE NAME IS NOT NULL) AS NAME_last_at,
counter_increase(VALUE, VALUE, 0 ORDER BY collected_at) AS NAME_increase

-- counter_of_buckets --
first(NAME_first, bucket) FILTER (WHERE NAME_first IS NOT NULL) AS NAME_first,
last(NAME_last, bucket) FILTER (WHERE NAME_last IS NOT NULL) AS NAME_last,
min(NAME_first_at) AS NAME_first_at, max(NAME_last_at) AS NAME_last_at,
counter_increase(NAME_first, NAME_last, NAME_increase ORDER BY bucket) AS NAME_increase

-- index --
CREATE INDEX LEVEL_by_device ON LEVEL (agent_device_id, bucket DESC)

-- columnstore --
ALTER MATERIALIZED VIEW LEVEL SET (
    timescaledb.enable_columnstore, timescaledb.segmentby = 'agent_device_id', timescaledb.orderby = 'bucket'
)

-- copy --
-- Fill a level from the one that it replaces. BEHIND is the hypertable behind it.
INSERT INTO BEHIND (COLUMNS) SELECT COLUMNS FROM LEVEL_old
