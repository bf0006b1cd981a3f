-- The second rollup level of series: 1 hour, from 5m.

-- agent_series_1h --
-- Stacked as the levels of agent_metrics: sums and counts add up, counters keep the increase.
CREATE MATERIALIZED VIEW agent_series_1h
WITH (timescaledb.continuous, timescaledb.materialized_only = true, timescaledb.create_group_indexes = false) AS
SELECT series_id,
       time_bucket('1 hour', bucket) AS bucket,
       sum(sample_count)::bigint AS sample_count,
       sum(value_sum) AS value_sum,
       min(value_min) AS value_min,
       max(value_max) AS value_max,
       first(value_first, bucket) FILTER (WHERE value_first IS NOT NULL) AS value_first,
       last(value_last, bucket) FILTER (WHERE value_last IS NOT NULL) AS value_last,
       min(value_first_at) AS value_first_at,
       max(value_last_at) AS value_last_at,
       counter_increase(value_first, value_last, value_increase ORDER BY bucket) FILTER (WHERE value_first IS NOT NULL)
           AS value_increase
FROM agent_series_5m
GROUP BY 1, 2
WITH NO DATA;
CREATE INDEX agent_series_1h_by_series ON agent_series_1h (series_id, bucket DESC);
ALTER MATERIALIZED VIEW agent_series_1h SET (
    timescaledb.enable_columnstore, timescaledb.segmentby = 'series_id', timescaledb.orderby = 'bucket'
);
