-- check_writable --
-- Whether rows can be written here, and which revision of the schema this is; fails where there is no schema of ours.
SELECT pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean AS read_only,
       (SELECT version_num FROM rts_agents_alembic_version) AS revision
