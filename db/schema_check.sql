-- The applied revision of the product's schema.

-- read_revision --
SELECT version_num FROM rts_agents_alembic_version

-- read_serves --
-- The oldest revision whose code may run on this schema, as the newest upgrade has declared it; null where none is.
SELECT substring(obj_description('rts_agents_alembic_version'::regclass, 'pg_class') FROM '^serves (\w+)$')

-- is_being_restored --
-- Whether a restore has begun and was not ended: no job runs, and tables may be missing.
SELECT COALESCE(current_setting('timescaledb.restoring', true) = 'on', false)
