-- Faults of the platform's tables that prevent tickets.

-- demanded_columns --
-- Columns that an INSERT must fill and that aren't among :columns.
SELECT a.attname
FROM pg_attribute a
WHERE a.attrelid = to_regclass(:table::text) AND a.attnum > 0 AND NOT a.attisdropped AND a.attnotnull
  AND NOT a.atthasdef
  AND a.attidentity = '' AND a.attname <> ALL (:columns::text[])
ORDER BY a.attnum

-- missing_rights --
-- Rights on the platform's tables that this role lacks.
SELECT w.name, w.needed
FROM (VALUES ('service_requests', 'INSERT'), ('service_requests', 'UPDATE'), ('service_requests', 'SELECT'),
             ('service_request_history', 'INSERT'), ('users', 'INSERT'), ('users', 'SELECT'),
             ('service_locations', 'SELECT'), ('urgency_levels', 'SELECT'), ('priority_levels', 'SELECT'),
             ('service_request_statuses', 'SELECT'), ('employees', 'SELECT'), ('businesses', 'SELECT')) w (name, needed)
WHERE to_regclass(w.name) IS NOT NULL AND NOT has_table_privilege(to_regclass(w.name), w.needed)

-- is_counted --
-- Whether tickets have numbers of our form: then a trigger of the table does not number them.
SELECT EXISTS (SELECT FROM service_requests WHERE request_number ~ '^SR-\d{4}-\d+$')

-- without_location --
-- Businesses with devices that have nowhere for a ticket to be.
SELECT b.business_name
FROM businesses b
WHERE EXISTS (SELECT FROM agent_devices d WHERE d.business_id = b.id AND NOT d.soft_delete)
  AND NOT EXISTS (SELECT FROM service_locations l
                  WHERE l.business_id = b.id AND NOT COALESCE((to_jsonb(l) ->> 'soft_delete')::boolean, false)
                    AND COALESCE((to_jsonb(l) ->> 'is_active')::boolean, true))
ORDER BY b.business_name

-- postpone --
-- Tickets that could not be opened, by reason.
SELECT COALESCE(fault_reason, 'unknown') AS reason, count(*) AS tickets,
       (array_agg(left(last_error, 300) ORDER BY created_at DESC))[1] AS said
FROM agent_alert_tickets
WHERE due_at IS NOT NULL AND attempts > 0
GROUP BY 1
ORDER BY 1
