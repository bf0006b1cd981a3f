-- Series: which instances of which metrics a device has, their newest values, and the bounds.

-- agent_custom_metrics --
-- Unit and kind of a business's own metrics (`custom.*`): those of the first value that it sent.
CREATE TABLE agent_custom_metrics (
    business_id uuid NOT NULL REFERENCES businesses (id) ON DELETE CASCADE,
    name text NOT NULL CHECK (name LIKE 'custom.%' AND length(name) <= 100),
    unit text NOT NULL CHECK (length(unit) <= 30),
    is_counter boolean NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (business_id, name)
);

-- agent_series --
-- One row for each instance of a metric on a device; its id is in the samples. `last_seen_at` is right to within hours.
-- `gone_at`: nobody has sent it for a week, so it counts for no bound and no rule.
CREATE TABLE agent_series (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    agent_device_id uuid NOT NULL REFERENCES agent_devices (id) ON DELETE CASCADE,
    metric text NOT NULL CHECK (length(metric) BETWEEN 1 AND 100),
    instance text NOT NULL CHECK (length(instance) <= 255),
    unit text NOT NULL CHECK (length(unit) <= 30),
    is_counter boolean NOT NULL,
    created_at timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL,
    gone_at timestamptz,
    UNIQUE (agent_device_id, metric, instance)
);

-- agent_series_newest --
-- The newest values of a metric on a device, in parallel arrays: one row is updated where each instance would be one.
-- What is missing in the newest sample is kept for a day. `highest` finds the fullest disks of a fleet by its index.
CREATE TABLE agent_series_newest (
    agent_device_id uuid NOT NULL REFERENCES agent_devices (id) ON DELETE CASCADE,
    metric text NOT NULL,
    collected_at timestamptz NOT NULL,
    is_counter boolean NOT NULL,
    highest double precision NOT NULL,
    series_ids integer[] NOT NULL,
    series_values double precision[] NOT NULL,
    series_times timestamptz[] NOT NULL,
    PRIMARY KEY (agent_device_id, metric)
) WITH (fillfactor = 70);
CREATE INDEX agent_series_newest_highest ON agent_series_newest (metric, highest DESC) WHERE NOT is_counter;
ALTER TABLE agent_series_newest SET (autovacuum_vacuum_scale_factor = 2, autovacuum_analyze_scale_factor = 5);

-- agent_series_merged --
-- A row of newest values with those of an older row that it lacks, as far as they are younger than a day.
CREATE FUNCTION agent_series_merged(newer agent_series_newest, older agent_series_newest)
RETURNS agent_series_newest LANGUAGE sql STABLE AS $body$
    SELECT newer.agent_device_id, newer.metric, newer.collected_at, newer.is_counter, max(value),
           array_agg(id ORDER BY id), array_agg(value ORDER BY id), array_agg(at ORDER BY id)
    FROM (
        SELECT * FROM unnest(newer.series_ids, newer.series_values, newer.series_times) AS n (id, value, at)
        UNION ALL
        SELECT * FROM unnest(older.series_ids, older.series_values, older.series_times) AS o (id, value, at)
        WHERE NOT o.id = ANY (newer.series_ids) AND o.at > newer.collected_at - interval '1 day'
    ) merged
$body$;

-- agent_series_counts --
-- How many series of a business aren't gone; counted anew each hour.
CREATE TABLE agent_series_counts (
    business_id uuid PRIMARY KEY REFERENCES businesses (id) ON DELETE CASCADE,
    live integer NOT NULL
);

-- agent_series_refusals --
-- Devices of which series were refused, so that an event says it once.
CREATE TABLE agent_series_refusals (
    agent_device_id uuid PRIMARY KEY REFERENCES agent_devices (id) ON DELETE CASCADE,
    since timestamptz NOT NULL
)
