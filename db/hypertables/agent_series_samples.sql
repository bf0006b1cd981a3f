-- Samples of series: one row for each value of an instance (a disk, an interface, a sensor).

-- agent_series_samples --
-- Narrow; `series_id` is that of agent_series, whose device and tenant it has. `is_counter` is that of the series, kept
-- in the row because a continuous aggregate reads this table only; it takes space that alignment leaves free. No foreign
-- key: it makes COPY three times as slow, and the writer registers the series in the same transaction.
CREATE TABLE agent_series_samples (
    series_id integer NOT NULL,
    is_counter boolean NOT NULL,
    collected_at timestamptz NOT NULL CHECK (collected_at >= '2020-01-01'),
    value double precision NOT NULL,
    PRIMARY KEY (series_id, collected_at)
) WITH (
    tsdb.hypertable,
    tsdb.partition_column = 'collected_at',
    tsdb.create_default_indexes = false,
    tsdb.columnstore = false -- or TimescaleDB adds a columnstore policy with a number of its own
);
ALTER TABLE agent_series_samples SET (
    timescaledb.enable_columnstore,
    timescaledb.segmentby = 'series_id',
    timescaledb.orderby = 'collected_at'
);

-- agent_series_samples_by_time --
-- A refresh reads some minutes of all series: found by blocks of pages.
CREATE INDEX agent_series_samples_by_time ON agent_series_samples USING brin (collected_at)
    WITH (pages_per_range = 32, autosummarize = on);
