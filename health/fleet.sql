-- The product's own health in the database. Counts only: no tenant's data, no names.

-- describe_fleet --
-- Everything but the levels, as one JSON document with the fields of `fleet.Facts`. Each part reads an index, or a
-- table of some thousand rows; devices by status read the index of the list. Rows of an outbox are overdue from when
-- they are due; work that is scheduled for later has a later due time.
SELECT jsonb_build_object(
    'devices', (SELECT COALESCE(jsonb_object_agg(status, devices), '{}')
                FROM (SELECT status, count(*) AS devices FROM agent_devices WHERE NOT soft_delete GROUP BY status) s),
    'open_alerts', (SELECT COALESCE(jsonb_object_agg(severity, alerts), '{}')
                    FROM (SELECT severity, count(*) AS alerts FROM agent_alert_history
                          WHERE status IN ('active', 'acknowledged') GROUP BY severity) s),
    'commands', (SELECT COALESCE(jsonb_object_agg(status, commands), '{}')
                 FROM (SELECT status, count(*) AS commands FROM agent_commands
                       WHERE due_at IS NOT NULL AND status IN ('pending', 'sent', 'executing') GROUP BY status) s),
    'commands_due_since', (SELECT min(due_at) FROM agent_commands WHERE due_at <= :now::timestamptz),
    'tickets', (SELECT jsonb_build_object('waiting', count(*), 'failing', count(*) FILTER (WHERE attempts > 0),
                                          'due_since', min(due_at) FILTER (WHERE due_at <= :now))
                FROM agent_alert_tickets WHERE due_at IS NOT NULL),
    'tickets_put_off', (SELECT COALESCE(jsonb_object_agg(reason, tickets), '{}')
                        FROM (SELECT COALESCE(fault_reason, 'unknown') AS reason, count(*) AS tickets
                              FROM agent_alert_tickets WHERE due_at IS NOT NULL AND attempts > 0 GROUP BY 1) p),
    'notifications', (SELECT jsonb_build_object('waiting', count(*), 'failing', count(*) FILTER (WHERE attempts > 0),
                                                'due_since', min(due_at) FILTER (WHERE due_at <= :now))
                      FROM agent_alert_notifications WHERE due_at IS NOT NULL),
    'isolated_faults', (SELECT COALESCE(jsonb_object_agg(task, faults), '{}')
                        FROM (SELECT task, count(*) AS faults FROM agent_isolated_faults GROUP BY task) f),
    'backups', (SELECT COALESCE(jsonb_object_agg(kind, at), '{}')
                FROM (SELECT kind, max(at) AS at FROM agent_backup_log WHERE is_good GROUP BY kind) b),
    'alert_pass', (SELECT jsonb_build_object('at', at, 'seconds', seconds, 'statements', statements, 'rules', rules)
                   FROM agent_alert_passes),
    'database', (SELECT jsonb_build_object(
        'postgres', current_setting('server_version_num')::int / 10000,
        'timescaledb', (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'),
        'bytes', pg_database_size(current_database()),
        'connections', (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'),
        'connections_max', current_setting('max_connections')::int
            - current_setting('superuser_reserved_connections')::int
            - COALESCE(current_setting('reserved_connections', true)::int, 0),
        'oldest_transaction_at', (SELECT min(xact_start) FROM pg_stat_activity
                                  WHERE datname = current_database() AND backend_type = 'client backend'
                                    AND pid <> pg_backend_pid()),
        -- Of a permanent xid, which a new database has, age() is the largest integer.
        'freeze_age', (SELECT COALESCE(NULLIF(age(datfrozenxid), 2147483647), 0)
                       FROM pg_database WHERE datname = current_database())))
)::text
