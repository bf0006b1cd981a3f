-- Software inventory as a log of what was there when, end-of-life rules, and how often a service changed its state.

-- agent_software_inventory_log --
-- A row is one stay of a software in one version: on the device from first_seen to removed_at (null: still there).
-- So what was installed at any time is a range question, and an upgrade is one row's end and another's beginning.
ALTER TABLE agent_software_inventory
    ADD COLUMN first_seen timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN removed_at timestamptz,
    ADD CONSTRAINT agent_software_inventory_stay CHECK (is_active = (removed_at IS NULL));
CREATE UNIQUE INDEX agent_software_inventory_active
    ON agent_software_inventory (agent_device_id, software_name, software_type, (COALESCE(software_version, '')))
    WHERE is_active;
CREATE INDEX agent_software_inventory_by_name
    ON agent_software_inventory ((lower(software_name)) text_pattern_ops, agent_device_id) WHERE is_active;
CREATE INDEX agent_software_inventory_eol ON agent_software_inventory (eol_date)
    WHERE is_active AND eol_date IS NOT NULL;

-- agent_devices_inventory --
-- When the newest inventory was taken: an older one that arrives later changes nothing.
ALTER TABLE agent_devices ADD COLUMN inventory_at timestamptz;

-- agent_software_eol --
-- Which software reaches its end of life when. `software_name` is matched without regard to case, `*` stands for
-- any text; `version_prefix` 3.7 fits 3.7 and 3.7.9, not 3.70. The worker marks the inventory with rules whose
-- `applied_at` is null.
CREATE TABLE agent_software_eol (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    software_name text NOT NULL CHECK (length(software_name) BETWEEN 1 AND 512),
    version_prefix text NOT NULL DEFAULT '' CHECK (length(version_prefix) <= 255),
    eol_date date NOT NULL,
    latest_available_version text CHECK (length(latest_available_version) <= 255),
    note text CHECK (length(note) <= 1000),
    created_by uuid NOT NULL REFERENCES employees (id),
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    applied_at timestamptz
);
CREATE UNIQUE INDEX agent_software_eol_one ON agent_software_eol (lower(software_name), version_prefix);

-- agent_monitored_services_changes --
ALTER TABLE agent_monitored_services ADD COLUMN state_changes integer NOT NULL DEFAULT 0;
