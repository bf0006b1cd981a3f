-- Records: everything that grows beside samples and rollups. One table of kinds makes the statements that count and
-- delete old rows; a row goes when `time` is older than its kind's age and `condition` holds.

-- compose_records --
-- The statements of each kind. `counts`: how many rows are of [$1, $2), the oldest, and the bytes of the relation that
-- they stand for. `deletes`: delete at most $2 rows that are older than $1, and return how many; rows that others have
-- locked wait for the next run. Only rows of the owners $3 (null: of all) without those of the owners $4: an owner is the
-- row's device, else its business, else the row itself. `owners`: those of the first $2 rows that would be deleted. Rows of a device or a business under legal hold stay. The audit trail is deleted by
-- `agent_audit_forget` only.
WITH kind (name, relation, key, time, condition, device, business) AS (VALUES
    ('audit', 'agent_audit', NULL, 't.at', 'NOT EXISTS (SELECT FROM agent_legal_holds WHERE released_at IS NULL)',
     NULL, NULL),
    ('alerts', 'agent_alert_history', 't.id', 't.resolved_at', 't.status IN (''resolved'', ''auto_resolved'')',
     't.agent_device_id', NULL),
    ('alert_transitions', 'agent_alert_transitions', 't.id', 't.at', 'true', 't.agent_device_id', NULL),
    ('notifications', 'agent_alert_notifications', 't.id', 't.created_at',
     't.due_at IS NULL AND NOT EXISTS (SELECT FROM agent_alert_history a WHERE a.id = t.agent_alert_history_id '
     'AND a.status IN (''active'', ''acknowledged''))',
     '(SELECT a.agent_device_id FROM agent_alert_history a WHERE a.id = t.agent_alert_history_id)', NULL),
    ('tickets', 'agent_alert_tickets', 't.id', 't.closed_at',
     't.state IN (''closed'', ''kept'') AND t.due_at IS NULL AND t.wanted = ''closed''',
     't.agent_device_id', 't.business_id'),
    ('commands', 'agent_commands', 't.id', 't.changed_at',
     't.status NOT IN (''pending'', ''sent'', ''executing'')', 't.agent_device_id', NULL),
    ('command_outputs', 'agent_commands', 't.id', 't.changed_at',
     't.status NOT IN (''pending'', ''sent'', ''executing'') AND (t.stdout IS NOT NULL OR t.stderr IS NOT NULL)',
     't.agent_device_id', NULL),
    ('events', 'agent_events', 't.id', 't.received_at', 'true', 't.agent_device_id', NULL),
    ('registration_tokens', 'agent_registration_tokens', 't.id',
     'GREATEST(t.expires_at, t.used_at, t.revoked_at)', 'true', 't.agent_device_id', 't.business_id'),
    ('gateways', 'agent_gateways', 't.id', 't.revoked_at',
     'NOT EXISTS (SELECT FROM agent_gateway_hosts h WHERE h.gateway_id = t.id AND h.agent_device_id IS NOT NULL)',
     NULL, 't.business_id'),
    ('software', 'agent_software_inventory', 't.id', 't.removed_at', 'NOT t.is_active', 't.agent_device_id', NULL),
    ('deleted_rules', 'agent_alerts', 't.id', 't.updated_at',
     't.soft_delete AND NOT EXISTS (SELECT FROM agent_alert_history a WHERE a.agent_alert_id = t.id) '
     'AND NOT EXISTS (SELECT FROM agent_alert_tickets a WHERE a.agent_alert_id = t.id) '
     'AND NOT EXISTS (SELECT FROM agent_alert_transitions a WHERE a.agent_alert_id = t.id)',
     't.agent_device_id', 't.business_id'),
    ('end_of_life_rules', 'agent_software_eol', 't.id', 't.deleted_at',
     't.applied_at IS NOT NULL AND NOT EXISTS (SELECT FROM agent_software_inventory i WHERE i.eol_rule_id = t.id)',
     NULL, NULL),
    ('maintenance_windows', 'agent_maintenance_windows', 't.id', 't.ends_at', 't.weekdays IS NULL',
     't.agent_device_id', 't.business_id'),
    ('intervals', 'agent_device_intervals', 't.id', 't.until_at', 'true', 't.agent_device_id', NULL),
    ('erasures', 'agent_erasures', 't.id', 't.requested_at', 't.state IN (''proven'', ''cancelled'')', NULL, NULL),
    ('legal_holds', 'agent_legal_holds', 't.id', 't.released_at', 'true', NULL, NULL),
    ('retention_changes', 'agent_retention_changes', 't.id', 't.requested_at', 't.state <> ''waiting''', NULL, NULL),
    ('backups', 'agent_backup_log', 't.id', 't.at', 'true', NULL, NULL),
    ('sizes', 'agent_storage_sizes', 't.ctid', 't.day', 'true', NULL, NULL),
    ('faults', 'agent_isolated_faults', 't.ctid', 't.last_at', 'true', NULL, NULL)
), old AS (
    SELECT name, relation, key, time,
           format('COALESCE(%s)', array_to_string(ARRAY[device || '::text', business || '::text', key || '::text'],
                                                  ', ')) AS owner,
           condition
           || COALESCE(' AND COALESCE(' || device
                       || ' NOT IN (SELECT agent_device_id FROM agent_held_devices), true)', '')
           || COALESCE(' AND NOT EXISTS (SELECT FROM agent_legal_holds h WHERE h.released_at IS NULL '
                       'AND h.business_id = ' || business || ')', '') AS condition
    FROM kind
)
SELECT name, relation,
       format('SELECT count(*) AS rows, min(%s)::timestamptz AS oldest, '
              '(pg_total_relation_size(%L) * count(*) / GREATEST(count(*), (SELECT max(reltuples) FROM pg_class '
              'WHERE oid = %L::regclass), 1))::bigint AS bytes, pg_total_relation_size(%L) AS table_bytes '
              'FROM %I t WHERE %s >= $1::timestamptz AND %s < $2::timestamptz AND %s',
              time, relation, relation, relation, relation, time, time, condition) AS counts,
       CASE WHEN key IS NOT NULL THEN
           format('WITH old AS (SELECT %s AS key FROM %I t WHERE %s < $1::timestamptz AND %s '
                  'AND ($3::text[] IS NULL OR %s = ANY ($3)) AND %s <> ALL ($4::text[]) LIMIT $2 '
                  'FOR UPDATE SKIP LOCKED), '
                  'gone AS (%s WHERE %s IN (SELECT key FROM old) RETURNING 1) SELECT count(*) FROM gone',
                  key, relation, time, condition, owner, owner,
                  CASE name WHEN 'command_outputs' THEN 'UPDATE agent_commands t SET stdout = NULL, stderr = NULL'
                            ELSE format('DELETE FROM %I t', relation) END, key)
       END AS deletes,
       format('SELECT DISTINCT o.owner FROM (SELECT %s AS owner FROM %I t WHERE %s < $1::timestamptz AND %s '
              'AND %s <> ALL ($3::text[]) LIMIT $2) o',
              owner, relation, time, condition, owner) AS owners
FROM old
ORDER BY name

-- limit_waits --
-- Wait at most two seconds for a lock that others hold, until the end of this transaction.
SELECT set_config('lock_timeout', '2s', true)

-- read_record_ages --
-- The values in force, with the size of each kind's table. :names, :relations.
SELECT a.name, a.keep, a.version, a.purged_at, a.purged_rows, pg_total_relation_size(to_regclass(k.relation)) AS bytes
FROM agent_record_ages a
JOIN unnest(:names::text[], :relations::text[]) WITH ORDINALITY AS k (name, relation, place) ON k.name = a.name
ORDER BY k.place

-- set_record_keep --
-- Put the age of a change in force. :name, :keep age, :change.
UPDATE agent_record_ages SET keep = :keep, version = :change WHERE name = :name AND keep IS DISTINCT FROM :keep

-- note_setting --
-- The age that a setting gives, as long as no change has set another. :name, :keep.
UPDATE agent_record_ages SET keep = :keep WHERE name = :name AND version IS NULL AND keep IS DISTINCT FROM :keep

-- note_purged --
-- Rows of a kind were deleted. :name, :rows, :now.
UPDATE agent_record_ages SET purged_at = :now, purged_rows = purged_rows + :rows WHERE name = :name

-- any_hold --
-- Whether a legal hold is in force.
SELECT EXISTS (SELECT FROM agent_legal_holds WHERE released_at IS NULL)
