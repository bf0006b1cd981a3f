-- What a backup must hold, read in the snapshot of the dump and again after a restore.

-- describe_database --
-- Name, versions, size in bytes.
SELECT current_database()::text AS database, current_setting('server_version_num')::integer / 10000 AS postgres,
       (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb') AS timescaledb,
       pg_database_size(current_database()) AS bytes, version() LIKE '%emcc%' AS embedded

-- read_revision --
-- The revision of the schema.
SELECT version_num FROM rts_agents_alembic_version

-- export_snapshot --
-- What this transaction sees, for pg_dump. The transaction must stay open until pg_dump has ended.
SELECT pg_export_snapshot()

-- compose_counts --
-- Statements that count each table and continuous aggregate, the platform's too, by name.
SELECT format('%I.%I', n.nspname, c.relname) AS name, format('SELECT count(*) FROM %I.%I', n.nspname, c.relname) AS counts
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE '\_timescaledb%'
  AND n.nspname NOT LIKE 'timescaledb\_%'
  AND (c.relkind IN ('r', 'p')
       OR EXISTS (SELECT FROM timescaledb_information.continuous_aggregates a
                  WHERE a.view_schema = n.nspname AND a.view_name = c.relname))
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')
ORDER BY 1

-- list_chunks --
-- Chunks of each hypertable and continuous aggregate, and how many are in the columnstore.
SELECT COALESCE(a.view_name, k.hypertable_name)::text AS name, count(*) AS chunks,
       count(*) FILTER (WHERE k.is_compressed) AS columnstore_chunks
FROM timescaledb_information.chunks k
LEFT JOIN timescaledb_information.continuous_aggregates a
  ON a.materialization_hypertable_schema = k.hypertable_schema AND a.materialization_hypertable_name = k.hypertable_name
GROUP BY 1
ORDER BY 1

-- list_jobs --
-- The jobs of users, whether scheduled or not.
SELECT job_id, proc_name || ' ' || COALESCE(config::text, '') AS job, scheduled
FROM timescaledb_information.jobs
WHERE job_id >= 1000
ORDER BY job_id

-- find_database --
-- Whether there is a database of this name.
SELECT EXISTS (SELECT FROM pg_database WHERE datname = :name)

-- compose_create --
-- The statement that makes a database without anything of template1.
SELECT format('CREATE DATABASE %I TEMPLATE template0', :name::text)

-- compose_drop --
-- The statement that drops it.
SELECT format('DROP DATABASE IF EXISTS %I WITH (FORCE)', :name::text)

-- is_empty --
-- Whether a database holds no table and no extension but plpgsql.
SELECT NOT EXISTS (SELECT FROM pg_extension WHERE extname <> 'plpgsql')
   AND NOT EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                   WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname NOT LIKE 'pg\_%'
                     AND n.nspname <> 'information_schema')

-- is_superuser --
-- Whether this role may write TimescaleDB's catalog.
SELECT rolsuper FROM pg_roles WHERE rolname = current_user

-- compose_extension --
-- The statement that makes the extension in the version of the backup.
SELECT format('CREATE EXTENSION timescaledb VERSION %L', :version::text)

-- offers_version --
-- Whether this server has that version.
SELECT EXISTS (SELECT FROM pg_available_extension_versions WHERE name = 'timescaledb' AND version = :version)

-- begin_restore --
-- No worker and no trigger of TimescaleDB runs until the end of the restore.
SELECT timescaledb_pre_restore()

-- end_restore --
-- TimescaleDB works again, its scheduler too.
SELECT timescaledb_post_restore()

-- allow_jobs_to_change --
-- In this session only: the database is being restored, and no job runs yet.
SET timescaledb.restoring = 'off'

-- pause_jobs --
-- Take every job of users out of the schedule.
SELECT count(*)
FROM (SELECT job_id FROM timescaledb_information.jobs WHERE job_id >= 1000 AND scheduled) j
CROSS JOIN LATERAL alter_job(j.job_id, scheduled => false)

-- start_jobs --
-- Schedule these jobs.
SELECT count(*)
FROM (SELECT job_id FROM timescaledb_information.jobs WHERE job_id = ANY (:ids::integer[])) j
CROSS JOIN LATERAL alter_job(j.job_id, scheduled => true)

-- analyze --
-- Statistics are not in a dump.
ANALYZE

-- note_run --
-- :kind, :at when, :seconds, :bytes, :is_good whether it is good, :details.
INSERT INTO agent_backup_log (kind, at, seconds, bytes, is_good, details)
VALUES (:kind, :at, :seconds, :bytes, :is_good, :details::jsonb)

-- repeat_a_sample --
-- Store the newest sample once more, which its key must refuse.
INSERT INTO agent_metrics SELECT * FROM agent_metrics ORDER BY collected_at DESC LIMIT 1

-- count_repeated --
-- Samples that are there twice, among the newest.
SELECT count(*) - count(DISTINCT (agent_device_id, collected_at)) FROM agent_metrics
WHERE collected_at = (SELECT max(collected_at) FROM agent_metrics)

-- refresh_a_rollup --
-- Over the last hour of samples.
CALL refresh_continuous_aggregate('agent_metrics_5m', now() - interval '2 hours', now() - interval '10 minutes')
