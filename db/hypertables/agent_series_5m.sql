-- The first rollup level of series: five minutes, from samples.

-- agent_series_5m --
-- A gauge has sum, min and max, a counter first, last, their times and the increase; the others are null.
CREATE MATERIALIZED VIEW agent_series_5m
WITH (timescaledb.continuous, timescaledb.materialized_only = true, timescaledb.create_group_indexes = false) AS
SELECT series_id,
       time_bucket('5 minutes', collected_at) AS bucket,
       count(*) AS sample_count,
       sum(value) FILTER (WHERE NOT is_counter) AS value_sum,
       min(value) FILTER (WHERE NOT is_counter) AS value_min,
       max(value) FILTER (WHERE NOT is_counter) AS value_max,
       first(value, collected_at) FILTER (WHERE is_counter) AS value_first,
       last(value, collected_at) FILTER (WHERE is_counter) AS value_last,
       min(collected_at) FILTER (WHERE is_counter) AS value_first_at,
       max(collected_at) FILTER (WHERE is_counter) AS value_last_at,
       counter_increase(value, value, 0 ORDER BY collected_at) FILTER (WHERE is_counter) AS value_increase
FROM agent_series_samples
GROUP BY 1, 2
WITH NO DATA;
CREATE INDEX agent_series_5m_by_series ON agent_series_5m (series_id, bucket DESC);
ALTER MATERIALIZED VIEW agent_series_5m SET (
    timescaledb.enable_columnstore, timescaledb.segmentby = 'series_id', timescaledb.orderby = 'bucket'
);
