-- How long records are kept: everything that grows beside samples and rollups, by kind of record.

-- agent_record_ages --
-- The values in force. `version` is the change of retention that set the row last; null: the value of the installation,
-- or of the setting. `purged_at` is when rows were deleted last, `purged_rows` how many so far.
CREATE TABLE agent_record_ages (
    name text PRIMARY KEY,
    keep interval NOT NULL CHECK (keep > interval '0'),
    version bigint,
    purged_at timestamptz,
    purged_rows bigint NOT NULL DEFAULT 0
);
INSERT INTO agent_record_ages (name, keep)
VALUES ('audit', '730 days'), ('alerts', '1825 days'), ('alert_transitions', '365 days'), ('notifications', '365 days'),
       ('tickets', '1825 days'), ('commands', '730 days'), ('command_outputs', '365 days'), ('events', '90 days'),
       ('registration_tokens', '365 days'), ('gateways', '365 days'), ('software', '730 days'),
       ('deleted_rules', '1825 days'), ('end_of_life_rules', '365 days'), ('maintenance_windows', '730 days'),
       ('intervals', '3650 days'), ('erasures', '3650 days'), ('legal_holds', '3650 days'),
       ('retention_changes', '3650 days'), ('backups', '730 days'), ('sizes', '730 days'), ('faults', '30 days');

-- record_indexes --
-- What finds old rows. BRIN indexes are small and fast to build: their tables are filled in the order of time.
CREATE INDEX agent_alert_transitions_by_time ON agent_alert_transitions USING brin (at) WITH (pages_per_range = 32);
CREATE INDEX agent_alert_notifications_by_time ON agent_alert_notifications USING brin (created_at)
    WITH (pages_per_range = 32);
CREATE INDEX agent_software_inventory_removed ON agent_software_inventory (removed_at) WHERE removed_at IS NOT NULL;
-- The deletion of an alert looks for the states that refer to it.
CREATE INDEX agent_alert_states_by_history ON agent_alert_states (history_id) WHERE history_id IS NOT NULL;
