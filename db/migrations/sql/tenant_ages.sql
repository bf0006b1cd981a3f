-- Retention of one business: how long its levels are kept, where that differs from the values for all.

-- agent_tenant_ages --
-- `keep` null: as for all, again. What was in force before a change (`former_keep`) is not deleted before
-- `former_until`; the worker then empties both.
CREATE TABLE agent_tenant_ages (
    business_id uuid NOT NULL REFERENCES businesses (id) ON DELETE CASCADE,
    level text NOT NULL CHECK (level IN ('raw', '5m', '1h', '1d')),
    keep interval CHECK (keep > interval '0'),
    former_keep interval,
    former_until timestamptz,
    changed_at timestamptz NOT NULL,
    changed_by text NOT NULL,
    reason text NOT NULL CHECK (length(reason) BETWEEN 1 AND 500),
    PRIMARY KEY (business_id, level),
    CHECK ((former_keep IS NULL) = (former_until IS NULL))
);

-- agent_tenant_trims --
-- Up to when rows of a business were deleted from a level whose chunks are kept longer, and how many so far.
CREATE TABLE agent_tenant_trims (
    business_id uuid NOT NULL REFERENCES businesses (id) ON DELETE CASCADE,
    level text NOT NULL CHECK (level IN ('raw', '5m', '1h', '1d')),
    trimmed_until timestamptz NOT NULL,
    trimmed_at timestamptz NOT NULL,
    trimmed_rows bigint NOT NULL,
    PRIMARY KEY (business_id, level)
);

-- agent_drop_old_chunks --
-- Drop chunks of a relation that end before a time, and return how many: never what its level, or one business, keeps.
CREATE OR REPLACE FUNCTION agent_drop_old_chunks(relation text, before timestamptz) RETURNS bigint
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
          AND before <= now() - GREATEST(l.keep, (SELECT max(GREATEST(t.keep, t.former_keep)) FROM agent_tenant_ages t
                                                  WHERE t.level = l.level))
    ) THEN
        RAISE invalid_parameter_value USING MESSAGE = format('%s keeps chunks that end before %s', relation, before);
    END IF;
    SELECT count(*) INTO dropped FROM drop_chunks(relation::regclass, older_than => before);
    RETURN dropped;
END $body$;

-- agent_drop_old_chunks_path --
DO $body$
BEGIN
    EXECUTE format('ALTER FUNCTION agent_drop_old_chunks SET search_path = %s, pg_temp', current_setting('search_path'));
END $body$;
