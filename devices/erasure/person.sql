-- Data of a person in our tables: references with the name beside them, saved views, addresses of mail, and the author
-- of a change of storage. A person is an employee or a user of the platform; the platform's own row stays.

-- find_addresses --
-- The addresses of mail that the platform has of a person, in lower case.
SELECT DISTINCT lower(p.found ->> 'email')
FROM (SELECT to_jsonb(e) AS found FROM employees e WHERE e.id = :person
      UNION ALL SELECT to_jsonb(u) FROM users u WHERE u.id = :person) p
WHERE p.found ->> 'email' <> ''

-- compose_references --
-- Statements that count the references to an employee in our tables, and that erase them with the names beside them.
-- Composed from the catalog, so that a new reference is erased too. $1: the id.
SELECT c.relname AS table,
       format('SELECT count(*) FROM %I WHERE %I = $1::uuid', c.relname, a.attname) AS counts,
       format('UPDATE %I SET %I = NULL%s WHERE %I = $1::uuid', c.relname, a.attname,
              CASE WHEN n.attname IS NOT NULL THEN format(', %I = ''erased person''', n.attname) END, a.attname) AS erases
FROM pg_constraint k
JOIN pg_class c ON c.oid = k.conrelid
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.conkey[1]
LEFT JOIN pg_attribute n ON n.attrelid = c.oid AND n.attname = a.attname || '_name' AND NOT n.attisdropped
WHERE k.contype = 'f' AND k.confrelid = to_regclass('employees') AND c.relname LIKE 'agent\_%'
  AND c.relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = 'agent_devices'::regclass)
ORDER BY c.relname, a.attname

-- count_records --
-- Rows that name a person without a reference. :addresses of mail in lower case, :words "employee" with the id.
SELECT 'agent_saved_views' AS table, count(*) AS rows FROM agent_saved_views WHERE owner_id = :person
UNION ALL
SELECT 'agent_alerts', count(*) FROM agent_alerts
WHERE EXISTS (SELECT FROM jsonb_array_elements_text(notification_recipients) r WHERE lower(r) = ANY (:addresses::text[]))
UNION ALL
SELECT 'agent_alert_notifications', count(*) FROM agent_alert_notifications WHERE lower(recipient) = ANY (:addresses)
UNION ALL
SELECT 'agent_erasures', count(*) FROM agent_erasures WHERE requested_by = :words
UNION ALL
SELECT 'agent_legal_holds', count(*) FROM agent_legal_holds WHERE :words IN (placed_by, released_by)
UNION ALL
SELECT 'agent_retention_changes', count(*) FROM agent_retention_changes WHERE :words IN (requested_by, undone_by)
UNION ALL
SELECT 'agent_tenant_ages', count(*) FROM agent_tenant_ages WHERE changed_by = :words

-- erase_records --
-- Erase what count_records counts: views and mail that was or is to be sent are deleted, addresses taken out of rules.
WITH views AS (
    DELETE FROM agent_saved_views WHERE owner_id = :person RETURNING 1
), rules AS (
    UPDATE agent_alerts
    SET notification_recipients = (
            SELECT COALESCE(jsonb_agg(r.address ORDER BY r.place), '[]')
            FROM jsonb_array_elements_text(notification_recipients) WITH ORDINALITY AS r (address, place)
            WHERE lower(r.address) <> ALL (:addresses::text[]))
    WHERE EXISTS (SELECT FROM jsonb_array_elements_text(notification_recipients) r WHERE lower(r) = ANY (:addresses))
    RETURNING 1
), mail AS (
    DELETE FROM agent_alert_notifications WHERE lower(recipient) = ANY (:addresses) RETURNING 1
), erasures AS (
    UPDATE agent_erasures SET requested_by = 'erased person' WHERE requested_by = :words RETURNING 1
), holds AS (
    UPDATE agent_legal_holds
    SET placed_by = CASE placed_by WHEN :words THEN 'erased person' ELSE placed_by END,
        released_by = CASE released_by WHEN :words THEN 'erased person' ELSE released_by END
    WHERE :words IN (placed_by, released_by) RETURNING 1
), changes AS (
    UPDATE agent_retention_changes
    SET requested_by = CASE requested_by WHEN :words THEN 'erased person' ELSE requested_by END,
        undone_by = CASE undone_by WHEN :words THEN 'erased person' ELSE undone_by END
    WHERE :words IN (requested_by, undone_by) RETURNING 1
), ages AS (
    UPDATE agent_tenant_ages SET changed_by = 'erased person' WHERE changed_by = :words RETURNING 1
)
SELECT t.table, t.rows
FROM (SELECT 'agent_saved_views' AS table, count(*) AS rows FROM views
      UNION ALL SELECT 'agent_alerts', count(*) FROM rules
      UNION ALL SELECT 'agent_alert_notifications', count(*) FROM mail
      UNION ALL SELECT 'agent_erasures', count(*) FROM erasures
      UNION ALL SELECT 'agent_legal_holds', count(*) FROM holds
      UNION ALL SELECT 'agent_retention_changes', count(*) FROM changes
      UNION ALL SELECT 'agent_tenant_ages', count(*) FROM ages) t
