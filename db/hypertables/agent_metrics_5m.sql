-- The first rollup level: five minutes, from raw samples.

-- agent_metrics_5m --
-- sum and count give the average and stack exactly; an average of averages would not. Counters keep first, last,
-- their times, and the increase. WITH NO DATA is the only form that a migration's transaction allows; the refresh
-- policy fills it.
CREATE MATERIALIZED VIEW agent_metrics_5m
WITH (timescaledb.continuous, timescaledb.materialized_only = true, timescaledb.create_group_indexes = false) AS
SELECT agent_device_id,
       time_bucket('5 minutes', collected_at) AS bucket,
       count(*) AS sample_count,
       sum(cpu_percent) AS cpu_percent_sum, count(cpu_percent) AS cpu_percent_count,
       min(cpu_percent) AS cpu_percent_min, max(cpu_percent) AS cpu_percent_max,
       sum(memory_used_gb) AS memory_used_gb_sum, count(memory_used_gb) AS memory_used_gb_count,
       min(memory_used_gb) AS memory_used_gb_min, max(memory_used_gb) AS memory_used_gb_max,
       sum(memory_percent) AS memory_percent_sum, count(memory_percent) AS memory_percent_count,
       min(memory_percent) AS memory_percent_min, max(memory_percent) AS memory_percent_max,
       sum(disk_used_gb) AS disk_used_gb_sum, count(disk_used_gb) AS disk_used_gb_count,
       min(disk_used_gb) AS disk_used_gb_min, max(disk_used_gb) AS disk_used_gb_max,
       sum(disk_percent) AS disk_percent_sum, count(disk_percent) AS disk_percent_count,
       min(disk_percent) AS disk_percent_min, max(disk_percent) AS disk_percent_max,
       sum(load_average_1m) AS load_average_1m_sum, count(load_average_1m) AS load_average_1m_count,
       min(load_average_1m) AS load_average_1m_min, max(load_average_1m) AS load_average_1m_max,
       sum(load_average_5m) AS load_average_5m_sum, count(load_average_5m) AS load_average_5m_count,
       min(load_average_5m) AS load_average_5m_min, max(load_average_5m) AS load_average_5m_max,
       sum(load_average_15m) AS load_average_15m_sum, count(load_average_15m) AS load_average_15m_count,
       min(load_average_15m) AS load_average_15m_min, max(load_average_15m) AS load_average_15m_max,
       sum(uptime_seconds::double precision) AS uptime_seconds_sum, count(uptime_seconds) AS uptime_seconds_count,
       min(uptime_seconds::double precision) AS uptime_seconds_min, max(uptime_seconds::double precision) AS uptime_seconds_max,
       first(network_rx_bytes::double precision, collected_at)
           FILTER (WHERE network_rx_bytes IS NOT NULL) AS network_rx_bytes_first,
       last(network_rx_bytes::double precision, collected_at)
           FILTER (WHERE network_rx_bytes IS NOT NULL) AS network_rx_bytes_last,
       min(collected_at) FILTER (WHERE network_rx_bytes IS NOT NULL) AS network_rx_bytes_first_at,
       max(collected_at) FILTER (WHERE network_rx_bytes IS NOT NULL) AS network_rx_bytes_last_at,
       counter_increase(network_rx_bytes::double precision, network_rx_bytes::double precision, 0
                        ORDER BY collected_at) AS network_rx_bytes_increase,
       first(network_tx_bytes::double precision, collected_at)
           FILTER (WHERE network_tx_bytes IS NOT NULL) AS network_tx_bytes_first,
       last(network_tx_bytes::double precision, collected_at)
           FILTER (WHERE network_tx_bytes IS NOT NULL) AS network_tx_bytes_last,
       min(collected_at) FILTER (WHERE network_tx_bytes IS NOT NULL) AS network_tx_bytes_first_at,
       max(collected_at) FILTER (WHERE network_tx_bytes IS NOT NULL) AS network_tx_bytes_last_at,
       counter_increase(network_tx_bytes::double precision, network_tx_bytes::double precision, 0
                        ORDER BY collected_at) AS network_tx_bytes_increase
FROM agent_metrics
GROUP BY 1, 2
WITH NO DATA;
CREATE INDEX agent_metrics_5m_by_device ON agent_metrics_5m (agent_device_id, bucket DESC);
ALTER MATERIALIZED VIEW agent_metrics_5m SET (
    timescaledb.enable_columnstore, timescaledb.segmentby = 'agent_device_id', timescaledb.orderby = 'bucket'
);
