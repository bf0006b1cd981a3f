-- What each run of the migrations begins with.

-- one_migrator --
-- Wait for another migrator, without the time-out that is for the locks of tables; both end with the session.
SELECT set_config('lock_timeout', '0', true), pg_advisory_lock(hashtext('rts-agents migrations'))

-- missing_schema --
-- The statement that makes the first schema of the search path; null where it is there. "$user" is nobody's schema here.
SELECT format('CREATE SCHEMA %I', first)
FROM (SELECT trim(both '" ' FROM split_part(current_setting('search_path'), ',', 1)) AS first) s
WHERE first <> '$user' AND to_regnamespace(quote_ident(first)) IS NULL

-- compose_serves --
-- The statement that writes down the oldest revision whose code may run on this schema.
SELECT format('COMMENT ON TABLE rts_agents_alembic_version IS %L', CAST(:serves AS text))
