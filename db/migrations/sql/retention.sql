-- How long each level is kept, who changed it, what a legal hold protects, and how the levels grew.

-- agent_storage_levels --
-- The values in force. `refresh_from` is how far the level's refresh looks back; null for raw samples. `version` is the
-- change that set the row last; null: the values of the installation.
CREATE TABLE agent_storage_levels (
    level text PRIMARY KEY CHECK (level IN ('raw', '5m', '1h', '1d')),
    keep interval NOT NULL CHECK (keep > interval '0'),
    refresh_from interval CHECK (refresh_from > interval '0'),
    version bigint
);
INSERT INTO agent_storage_levels (level, keep, refresh_from)
VALUES ('raw', '30 days', NULL), ('5m', '90 days', '28 days'), ('1h', '730 days', '29 days'),
       ('1d', '3650 days', '31 days');

-- agent_retention_changes --
-- Each change of retention. It waits until `due_at` and is then applied; `before` and `after` are days by level.
-- `oldest` is where the oldest chunk of each relation began when the change was applied: undo compares.
CREATE TABLE agent_retention_changes (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    state text NOT NULL CHECK (state IN ('waiting', 'applied', 'undone')),
    requested_at timestamptz NOT NULL,
    due_at timestamptz NOT NULL,
    applied_at timestamptz,
    undone_at timestamptz,
    requested_by text NOT NULL,
    undone_by text,
    reason text NOT NULL,
    before jsonb NOT NULL,
    after jsonb NOT NULL,
    plan jsonb NOT NULL,
    oldest jsonb
);

-- agent_retention_changes_waiting --
-- One change waits at a time.
CREATE UNIQUE INDEX agent_retention_changes_waiting ON agent_retention_changes (state) WHERE state = 'waiting';

-- agent_legal_holds --
-- What must not be dropped: data of a business or a device, by ids without references, because a hold outlives both.
-- `devices` are those that the business had when the hold was placed.
CREATE TABLE agent_legal_holds (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    business_id uuid,
    agent_device_id uuid,
    subject text NOT NULL,
    reason text NOT NULL CHECK (length(reason) BETWEEN 1 AND 500),
    placed_at timestamptz NOT NULL,
    placed_by text NOT NULL,
    ends_at timestamptz,
    released_at timestamptz,
    released_by text,
    devices uuid[] NOT NULL,
    CHECK (num_nonnulls(business_id, agent_device_id) = 1)
);

-- agent_held_devices --
-- Each device whose data a hold protects now, and the hold.
CREATE VIEW agent_held_devices AS
SELECT h.id AS hold_id, d.agent_device_id
FROM agent_legal_holds h
CROSS JOIN LATERAL (
    SELECT unnest(h.devices) AS agent_device_id
    UNION
    SELECT id FROM agent_devices WHERE business_id = h.business_id
    UNION
    SELECT agent_device_id FROM agent_device_owners WHERE business_id = h.business_id
) d
WHERE h.released_at IS NULL;

-- agent_storage_sizes --
-- The size in bytes of each relation of the storage, and of the whole database (relation `database`), by day (UTC).
CREATE TABLE agent_storage_sizes (
    day date NOT NULL,
    relation text NOT NULL,
    bytes bigint NOT NULL,
    PRIMARY KEY (day, relation)
);

-- agent_set_policy --
-- Schedule a storage policy or take it out of the schedule, and set one of its values. It runs as the owner of the
-- tables, whom TimescaleDB wants for this; only a role that may change retention can use it.
CREATE FUNCTION agent_set_policy(
    policy_job integer, is_scheduled boolean, value_name text DEFAULT NULL, value interval DEFAULT NULL,
    starts timestamptz DEFAULT NULL
) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $body$
BEGIN
    IF NOT has_table_privilege(session_user, 'agent_retention_changes', 'INSERT') THEN
        RAISE insufficient_privilege USING MESSAGE = 'permission denied to change storage policies';
    END IF;
    IF value_name NOT IN ('drop_after', 'start_offset') THEN
        RAISE invalid_parameter_value USING MESSAGE = 'only drop_after and start_offset can be set';
    END IF;
    PERFORM alter_job(j.job_id, scheduled => is_scheduled, next_start => starts,
                      config => CASE WHEN value_name IS NULL THEN j.config
                                     ELSE jsonb_set(j.config, ARRAY[value_name], to_jsonb(value::text)) END)
    FROM timescaledb_information.jobs j
    WHERE j.job_id = policy_job AND j.proc_name IN ('policy_retention', 'policy_refresh_continuous_aggregate');
    IF NOT FOUND THEN
        RAISE invalid_parameter_value USING MESSAGE = 'no retention or refresh policy has this job id';
    END IF;
END $body$;

-- agent_drop_old_chunks --
-- Drop chunks of a relation that end before a time, and return how many: never what its level still keeps. As the owner.
CREATE FUNCTION agent_drop_old_chunks(relation text, before timestamptz) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER AS $body$
DECLARE
    dropped bigint;
BEGIN
    IF NOT has_table_privilege(session_user, 'agent_retention_changes', 'INSERT') THEN
        RAISE insufficient_privilege USING MESSAGE = 'permission denied to drop chunks';
    END IF;
    IF NOT EXISTS (
        SELECT FROM agent_storage_levels l
        WHERE relation = ANY (CASE l.level WHEN 'raw' THEN ARRAY['agent_metrics', 'agent_series_samples']
                              ELSE ARRAY['agent_metrics_' || l.level, 'agent_series_' || l.level] END)
          AND before <= now() - l.keep
    ) THEN
        RAISE invalid_parameter_value USING MESSAGE = format('%s keeps chunks that end before %s', relation, before);
    END IF;
    SELECT count(*) INTO dropped FROM drop_chunks(relation::regclass, older_than => before);
    RETURN dropped;
END $body$;

-- agent_retention_functions --
-- A function of the owner must not find a caller's temporary tables: they come last.
DO $body$
BEGIN
    EXECUTE format('ALTER FUNCTION agent_set_policy SET search_path = %s, pg_temp', current_setting('search_path'));
    EXECUTE format('ALTER FUNCTION agent_drop_old_chunks SET search_path = %s, pg_temp', current_setting('search_path'));
END $body$;
