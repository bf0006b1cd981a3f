-- The server's version, extensions and settings; needs no rights beyond CONNECT.

-- describe_server --
-- Versions, licence, and whether TimescaleDB's own scheduler runs in this database. A role that may not see it takes it
-- to run where it may have workers: two runners of one policy are worse than a late one, which `db check` names.
SELECT version() AS version_text,
       current_setting('server_version_num')::int AS postgres,
       (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb') AS timescaledb,
       (SELECT default_version FROM pg_available_extensions WHERE name = 'timescaledb') AS available,
       current_setting('timescaledb.license', true) AS license,
       EXISTS (SELECT FROM pg_stat_activity
               WHERE datname = current_database()
                 AND backend_type LIKE 'TimescaleDB Background Worker%Scheduler%')
       OR (NOT pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') AND version() NOT LIKE '%emcc%'
           AND current_setting('timescaledb.max_background_workers', true)::integer > 0) AS scheduler,
       pg_is_in_recovery() AS standby, current_setting('max_connections')::integer AS connections
