-- Rules that stand on instances of devices: one state and one open alert for each instance. '' is the device itself.

-- states --
ALTER TABLE agent_alert_states ADD COLUMN instance text NOT NULL DEFAULT '' CHECK (length(instance) <= 255);
ALTER TABLE agent_alert_states DROP CONSTRAINT agent_alert_states_pkey;
ALTER TABLE agent_alert_states ADD PRIMARY KEY (agent_alert_id, agent_device_id, instance);

-- transitions --
ALTER TABLE agent_alert_transitions ADD COLUMN instance text NOT NULL DEFAULT '' CHECK (length(instance) <= 255);

-- history --
ALTER TABLE agent_alert_history ADD COLUMN instance text NOT NULL DEFAULT '' CHECK (length(instance) <= 255);
DROP INDEX agent_alert_history_one_open;
CREATE UNIQUE INDEX agent_alert_history_one_open ON agent_alert_history (agent_alert_id, agent_device_id, instance)
    WHERE status IN ('active', 'acknowledged');

-- agent_series_forecasts --
-- How a series grows a day, by its daily maxima since the last big drop.
CREATE TABLE agent_series_forecasts (
    series_id integer PRIMARY KEY REFERENCES agent_series (id) ON DELETE CASCADE,
    newest double precision NOT NULL,
    slope_per_day double precision NOT NULL,
    days integer NOT NULL,
    since date NOT NULL,
    computed_at timestamptz NOT NULL
)
