-- check_writable --
-- Whether rows can be written here, and the revision of the schema; fails where the product's schema is missing.
-- `clock` is the database's, in seconds since 1970. `locked`: a writer of this role has waited for a lock for
-- more than two seconds, because another session holds a table of the product.
SELECT pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean AS read_only,
       (SELECT version_num FROM rts_agents_alembic_version) AS revision,
       EXTRACT(epoch FROM clock_timestamp())::double precision AS clock,
       EXISTS (SELECT FROM pg_stat_activity
               WHERE datname = current_database() AND application_name = 'rts-agents ingest'
                 AND wait_event_type = 'Lock' AND query_start < clock_timestamp() - interval '2 seconds') AS locked
