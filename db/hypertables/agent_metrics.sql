-- The hypertable: one row for each sample of a device. Numbers (chunk, columnstore, retention) are in policies.py.

-- agent_metrics --
-- No foreign key: it makes COPY three times as slow, and the writer checks the device in the same transaction.
-- The CHECKs are the last fence; the reader of an upload gives better messages.
CREATE TABLE agent_metrics (
    agent_device_id uuid NOT NULL,
    collected_at timestamptz NOT NULL CHECK (collected_at >= '2020-01-01'),
    received_at timestamptz NOT NULL,
    cpu_percent double precision CHECK (cpu_percent BETWEEN 0 AND 100),
    memory_used_gb double precision,
    memory_percent double precision CHECK (memory_percent BETWEEN 0 AND 100),
    disk_used_gb double precision,
    disk_percent double precision CHECK (disk_percent BETWEEN 0 AND 100),
    load_average_1m double precision,
    load_average_5m double precision,
    load_average_15m double precision,
    uptime_seconds bigint,
    network_rx_bytes bigint,
    network_tx_bytes bigint,
    raw_metrics jsonb,
    PRIMARY KEY (agent_device_id, collected_at)
) WITH (
    tsdb.hypertable,
    tsdb.partition_column = 'collected_at',
    tsdb.create_default_indexes = false,
    tsdb.columnstore = false -- or TimescaleDB adds a columnstore policy with a number of its own
);
ALTER TABLE agent_metrics SET (
    timescaledb.enable_columnstore,
    timescaledb.segmentby = 'agent_device_id',
    timescaledb.orderby = 'collected_at'
);
