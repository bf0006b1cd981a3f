-- The second rollup level: an hour, from the five-minute level.

-- agent_metrics_1h --
-- sum and count give the average and stack exactly; an average of averages would not. Counters keep first, last,
-- their times, and the increase. WITH NO DATA is the only form that a migration's transaction allows; the refresh
-- policy fills it.
CREATE MATERIALIZED VIEW agent_metrics_1h
WITH (timescaledb.continuous, timescaledb.materialized_only = true, timescaledb.create_group_indexes = false) AS
SELECT agent_device_id,
       time_bucket('1 hour', bucket) AS bucket,
       sum(sample_count)::bigint AS sample_count,
       sum(cpu_percent_sum) AS cpu_percent_sum, sum(cpu_percent_count)::bigint AS cpu_percent_count,
       min(cpu_percent_min) AS cpu_percent_min, max(cpu_percent_max) AS cpu_percent_max,
       sum(memory_used_gb_sum) AS memory_used_gb_sum, sum(memory_used_gb_count)::bigint AS memory_used_gb_count,
       min(memory_used_gb_min) AS memory_used_gb_min, max(memory_used_gb_max) AS memory_used_gb_max,
       sum(memory_percent_sum) AS memory_percent_sum, sum(memory_percent_count)::bigint AS memory_percent_count,
       min(memory_percent_min) AS memory_percent_min, max(memory_percent_max) AS memory_percent_max,
       sum(disk_used_gb_sum) AS disk_used_gb_sum, sum(disk_used_gb_count)::bigint AS disk_used_gb_count,
       min(disk_used_gb_min) AS disk_used_gb_min, max(disk_used_gb_max) AS disk_used_gb_max,
       sum(disk_percent_sum) AS disk_percent_sum, sum(disk_percent_count)::bigint AS disk_percent_count,
       min(disk_percent_min) AS disk_percent_min, max(disk_percent_max) AS disk_percent_max,
       sum(load_average_1m_sum) AS load_average_1m_sum, sum(load_average_1m_count)::bigint AS load_average_1m_count,
       min(load_average_1m_min) AS load_average_1m_min, max(load_average_1m_max) AS load_average_1m_max,
       sum(load_average_5m_sum) AS load_average_5m_sum, sum(load_average_5m_count)::bigint AS load_average_5m_count,
       min(load_average_5m_min) AS load_average_5m_min, max(load_average_5m_max) AS load_average_5m_max,
       sum(load_average_15m_sum) AS load_average_15m_sum, sum(load_average_15m_count)::bigint AS load_average_15m_count,
       min(load_average_15m_min) AS load_average_15m_min, max(load_average_15m_max) AS load_average_15m_max,
       sum(uptime_seconds_sum) AS uptime_seconds_sum, sum(uptime_seconds_count)::bigint AS uptime_seconds_count,
       min(uptime_seconds_min) AS uptime_seconds_min, max(uptime_seconds_max) AS uptime_seconds_max,
       first(network_rx_bytes_first, bucket)
           FILTER (WHERE network_rx_bytes_first IS NOT NULL) AS network_rx_bytes_first,
       last(network_rx_bytes_last, bucket)
           FILTER (WHERE network_rx_bytes_last IS NOT NULL) AS network_rx_bytes_last,
       min(network_rx_bytes_first_at) AS network_rx_bytes_first_at, max(network_rx_bytes_last_at) AS network_rx_bytes_last_at,
       counter_increase(network_rx_bytes_first, network_rx_bytes_last, network_rx_bytes_increase ORDER BY bucket) AS network_rx_bytes_increase,
       first(network_tx_bytes_first, bucket)
           FILTER (WHERE network_tx_bytes_first IS NOT NULL) AS network_tx_bytes_first,
       last(network_tx_bytes_last, bucket)
           FILTER (WHERE network_tx_bytes_last IS NOT NULL) AS network_tx_bytes_last,
       min(network_tx_bytes_first_at) AS network_tx_bytes_first_at, max(network_tx_bytes_last_at) AS network_tx_bytes_last_at,
       counter_increase(network_tx_bytes_first, network_tx_bytes_last, network_tx_bytes_increase ORDER BY bucket) AS network_tx_bytes_increase
FROM agent_metrics_5m
GROUP BY 1, 2
WITH NO DATA;
CREATE INDEX agent_metrics_1h_by_device ON agent_metrics_1h (agent_device_id, bucket DESC);
ALTER MATERIALIZED VIEW agent_metrics_1h SET (
    timescaledb.enable_columnstore, timescaledb.segmentby = 'agent_device_id', timescaledb.orderby = 'bucket'
);
