-- A refresh reads some minutes of all devices: found by blocks of pages, which hold rows of about the same time.

-- agent_metrics_by_time --
-- A thousandth of the table's size, and next to nothing at COPY. Without it each refresh reads the whole day's index
-- by device. The newest blocks, not yet summarised, are always read; autosummarize bounds how many these are.
CREATE INDEX agent_metrics_by_time ON agent_metrics USING brin (collected_at)
    WITH (pages_per_range = 32, autosummarize = on);
