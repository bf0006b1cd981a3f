-- Who is in the way of an upgrade.

-- holders --
-- Sessions with an open transaction that holds locks on tables of people, the oldest first.
SELECT l.pid, COALESCE(NULLIF(a.application_name, ''), 'no name') AS program,
       COALESCE(extract(epoch FROM now() - a.xact_start)::integer, 0) AS seconds,
       string_agg(DISTINCT c.relname, ', ' ORDER BY c.relname) AS relations
FROM pg_locks l
JOIN pg_class c ON c.oid = l.relation AND c.relkind IN ('r', 'p')
JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname NOT LIKE 'pg\_%' AND n.nspname NOT LIKE '\_timescaledb%'
LEFT JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND l.granted AND l.pid <> pg_backend_pid()
GROUP BY l.pid, a.application_name, a.xact_start
ORDER BY a.xact_start NULLS LAST
LIMIT 3
