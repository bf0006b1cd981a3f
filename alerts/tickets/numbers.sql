-- How the platform numbers its tickets.

-- may_number_itself --
-- Whether the platform may number its tickets itself: by a default or identity of the column, or by a trigger that runs for
-- each row before its insert (bits 1, 2 and 4 of its type).
SELECT a.atthasdef OR a.attidentity <> ''
    OR EXISTS (SELECT FROM pg_trigger t
               WHERE t.tgrelid = a.attrelid AND NOT t.tgisinternal AND t.tgenabled IN ('O', 'A') AND t.tgtype & 7 = 7)
FROM pg_attribute a
WHERE a.attrelid = 'service_requests'::regclass AND a.attname = 'request_number'

-- read_numbering --
-- The year's sequence beside the tickets' table, whether there are sequences of other years, whether there are
-- tickets at all, whether this role may make a sequence for the table's owner, and how many digits zero-padded
-- numbers have.
SELECT to_regclass(format('%I.%I', n.nspname, 'service_request_number_seq_' || :year::text))::text AS sequence,
       EXISTS (SELECT FROM pg_class s WHERE s.relkind = 'S' AND s.relnamespace = c.relnamespace
                                        AND s.relname ~ '^service_request_number_seq_\d{4}$') AS any_sequence,
       EXISTS (SELECT FROM service_requests) AS any_ticket,
       pg_has_role(c.relowner, 'USAGE') AND has_schema_privilege(c.relnamespace, 'CREATE') AS may_make,
       COALESCE((SELECT length(substring(request_number FROM '^SR-\d+-(0\d+)$'))
                 FROM service_requests WHERE request_number ~ '^SR-\d+-0\d+$'
                 ORDER BY request_number DESC LIMIT 1), 5) AS digits
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid = 'service_requests'::regclass

-- highest_number --
-- 0 where the year has no ticket.
SELECT COALESCE(max(substring(request_number FROM '^SR-\d+-(\d{1,15})$')::bigint), 0)
FROM service_requests
WHERE request_number LIKE 'SR-' || :year::text || '-%'

-- compose_sequence --
-- The two statements that make a sequence beside the tickets' table and give it to that table's owner.
SELECT format('%I.%I', n.nspname, :name::text) AS sequence,
       format('CREATE SEQUENCE IF NOT EXISTS %I.%I START %s', n.nspname, :name, :start::bigint) AS create,
       format('ALTER SEQUENCE %I.%I OWNER TO %I', n.nspname, :name, r.rolname) AS give
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_roles r ON r.oid = c.relowner
WHERE c.oid = 'service_requests'::regclass

-- draw --
SELECT max(nextval(:sequence::text::regclass)) FROM generate_series(1, :limit::bigint)

-- last_drawn --
SELECT COALESCE(pg_sequence_last_value(:sequence::text::regclass), 0)
