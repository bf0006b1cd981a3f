-- Software inventory as a log of what was there when, end-of-life rules, and how often a service changed its state.

-- agent_software_eol --
-- Which software reaches its end of life when. `software_name` is matched without regard to case, `*` stands for any
-- text; `name_pattern` is the same for LIKE, `name_start` what stands before the first `*`, 16 characters at most, by
-- which an index finds the few rules that may fit a name. The worker marks the inventory with the rules whose
-- `applied_at` is null; `marked_to` is the last row that it has come to. A deleted rule stays until its marks are gone.
CREATE TABLE agent_software_eol (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    software_name text NOT NULL CHECK (length(software_name) BETWEEN 1 AND 512),
    version_prefix text NOT NULL DEFAULT '' CHECK (length(version_prefix) <= 255),
    eol_date date NOT NULL,
    latest_available_version text CHECK (length(latest_available_version) <= 255),
    note text CHECK (length(note) <= 1000),
    created_by uuid NOT NULL REFERENCES employees (id),
    updated_by uuid NOT NULL REFERENCES employees (id),
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    deleted_at timestamptz,
    applied_at timestamptz,
    marked_to uuid,
    name_pattern text NOT NULL GENERATED ALWAYS AS
        (replace(replace(replace(replace(lower(software_name), '\', '\\'), '%', '\%'), '_', '\_'), '*', '%')) STORED,
    name_start text NOT NULL GENERATED ALWAYS AS (left(split_part(lower(software_name), '*', 1), 16)) STORED
) WITH (fillfactor = 10); -- few rules on a page: so the planner takes the index although there are but a hundred
CREATE UNIQUE INDEX agent_software_eol_one
    ON agent_software_eol ((lower(software_name) COLLATE "C"), (version_prefix COLLATE "C")) WHERE deleted_at IS NULL;
CREATE INDEX agent_software_eol_by_start ON agent_software_eol (name_start) WHERE deleted_at IS NULL;
CREATE INDEX agent_software_eol_due ON agent_software_eol (updated_at) WHERE applied_at IS NULL;

-- agent_software_version_fits --
-- Whether a version begins with a prefix that ends where a part of it ends: 3.7 fits 3.7, 3.7.9 and 3.7-2, not 3.70.
CREATE FUNCTION agent_software_version_fits(version text, prefix text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $body$
    SELECT prefix = ''
        OR COALESCE(starts_with(version, prefix) AND substr(version, length(prefix) + 1, 1) !~ '[[:alnum:]]', false)
$body$;

-- agent_software_rule --
-- The one rule that counts for a software, if any: that of the longest version prefix, then that of the longest name.
-- Each beginning of the name is looked up in the index; OFFSET 0 keeps the planner from comparing every name with the
-- patterns of all rules, which would take half a minute for 10,000 names and 3,000 rules.
CREATE FUNCTION agent_software_rule(name text, version text)
    RETURNS TABLE (rule_id uuid, rule_date date, rule_latest text) LANGUAGE sql STABLE AS $body$
    SELECT r.id, r.eol_date, r.latest_available_version
    FROM (SELECT left(lower($1), n) AS start FROM generate_series(0, 16) n OFFSET 0) b,
         LATERAL (SELECT * FROM agent_software_eol e
                  WHERE e.name_start = b.start AND e.deleted_at IS NULL OFFSET 0) r
    WHERE lower($1) COLLATE "C" LIKE r.name_pattern AND agent_software_version_fits($2, r.version_prefix)
    ORDER BY length(r.version_prefix) DESC, length(replace(r.software_name, '*', '')) DESC, length(r.software_name), r.id
    LIMIT 1
$body$;

-- agent_software_inventory_log --
-- A row is one stay of a software in one version: on the device from first_seen to removed_at (null: still there).
-- So what was installed at any time is a range question, and an upgrade is one row's end and another's beginning.
-- `reported_latest_version` is what the agent knows, `latest_available_version` the same or else what the rule says.
ALTER TABLE agent_software_inventory
    ADD COLUMN first_seen timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN removed_at timestamptz,
    ADD COLUMN reported_latest_version text CHECK (length(reported_latest_version) <= 255),
    ADD COLUMN eol_rule_id uuid REFERENCES agent_software_eol (id),
    SET (fillfactor = 80); -- each list updates last_seen: room on the page keeps that out of the indexes
UPDATE agent_software_inventory SET first_seen = last_seen, removed_at = CASE WHEN NOT is_active THEN last_seen END;
ALTER TABLE agent_software_inventory
    ADD CONSTRAINT agent_software_inventory_stay
        CHECK (is_active = (removed_at IS NULL) AND COALESCE(first_seen <= removed_at, true));
CREATE UNIQUE INDEX agent_software_inventory_active
    ON agent_software_inventory (agent_device_id, software_name, software_type, (COALESCE(software_version, '')))
    WHERE is_active;
CREATE INDEX agent_software_inventory_by_name ON agent_software_inventory ((lower(software_name) COLLATE "C"), id);
CREATE INDEX agent_software_inventory_by_rule ON agent_software_inventory (eol_rule_id) WHERE eol_rule_id IS NOT NULL;
-- Those whose end is yet to come; the worker reads it.
CREATE INDEX agent_software_inventory_eol ON agent_software_inventory (eol_date) WHERE NOT is_eol;

-- agent_devices_inventory --
-- When the first and the newest inventory were taken: an older one that arrives later changes nothing.
ALTER TABLE agent_devices ADD COLUMN inventory_since timestamptz, ADD COLUMN inventory_at timestamptz;

-- agent_monitored_services_changes --
ALTER TABLE agent_monitored_services ADD COLUMN state_changes integer NOT NULL DEFAULT 0;
