-- Three roles and their rights: an owner for upgrades, an application for serve and worker, a reader for charts.

-- compose_roles --
-- The statements in order. Ours are in the first schema of the search path.
WITH place AS (
    SELECT CASE WHEN first = '$user' THEN 'public' ELSE first END AS schema
    FROM (SELECT trim(both '" ' FROM split_part(current_setting('search_path'), ',', 1)) AS first) s
), platform AS (
    SELECT c.oid, format('%I.%I', n.nspname, c.relname) AS name, c.relname, n.nspname, r.rolname AS owner
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_roles r ON r.oid = c.relowner
    WHERE n.nspname = 'public' AND r.rolname <> :owner::text
      AND c.relname IN ('businesses', 'service_locations', 'users', 'employees', 'urgency_levels', 'priority_levels',
                        'service_request_statuses', 'service_requests', 'service_request_history')
), product AS (
    SELECT format('%I.%I', n.nspname, c.relname) AS name, c.relname
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN place p ON p.schema = n.nspname
    WHERE c.relkind IN ('r', 'v', 'p') AND pg_get_userbyid(c.relowner) = :owner
), numbering AS ( -- by sequences of years: one is there, or there is no ticket yet
    SELECT p.nspname, p.owner, extract(year FROM now())::integer + n AS year
    FROM platform p CROSS JOIN generate_series(0, 1) n
    WHERE p.relname = 'service_requests'
      AND (EXISTS (SELECT FROM pg_class s WHERE s.relkind = 'S' AND s.relname ~ '^service_request_number_seq_\d{4}$')
           OR NOT EXISTS (SELECT FROM pg_class r WHERE r.oid = p.oid AND r.reltuples > 0))
), statements (place, statement) AS (
    SELECT 10, format('CREATE ROLE %I LOGIN', w.role)
    FROM unnest(ARRAY[:owner, :application::text, :reader::text]) AS w (role)
    WHERE NOT EXISTS (SELECT FROM pg_roles r WHERE r.rolname = w.role)
    UNION ALL
    SELECT 20, format('CREATE EXTENSION IF NOT EXISTS %I SCHEMA public', w.extension)
    FROM unnest(ARRAY['timescaledb', 'pg_trgm']) AS w (extension)
    WHERE NOT EXISTS (SELECT FROM pg_extension e WHERE e.extname = w.extension)
    UNION ALL
    SELECT 30, format('GRANT CONNECT, TEMPORARY ON DATABASE %I TO %I, %I, %I', current_database(), :owner,
                      :application, :reader)
    UNION ALL
    SELECT 40, format('GRANT pg_read_all_stats TO %I, %I', :owner, :application)
    UNION ALL
    SELECT 50, format('CREATE SCHEMA IF NOT EXISTS %I AUTHORIZATION %I', schema,
                      :owner) FROM place WHERE schema <> 'public'
    UNION ALL
    SELECT 51, format('GRANT USAGE, CREATE ON SCHEMA %I TO %I', schema, :owner) FROM place
    UNION ALL
    SELECT 52, format('GRANT USAGE ON SCHEMA %I TO %I, %I', schema, :application, :reader) FROM place
    UNION ALL
    SELECT 53, format('GRANT USAGE ON SCHEMA public TO %I, %I, %I', :owner, :application, :reader)
    UNION ALL
    SELECT 60, format('ALTER DEFAULT PRIVILEGES FOR ROLE %I IN SCHEMA %I '
                      'GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO %I', :owner, schema, :application) FROM place
    UNION ALL
    SELECT 61, format('ALTER DEFAULT PRIVILEGES FOR ROLE %I IN SCHEMA %I GRANT USAGE ON SEQUENCES TO %I', :owner,
                      schema, :application)
    FROM place
    UNION ALL
    SELECT 62, format('ALTER DEFAULT PRIVILEGES FOR ROLE %I IN SCHEMA %I GRANT SELECT ON TABLES TO %I', :owner,
                      schema, :reader)
    FROM place
    UNION ALL
    SELECT 70, format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO %I', name, :application) FROM product
    UNION ALL
    SELECT 71, format('GRANT SELECT ON %s TO %I', name, :reader) FROM product WHERE relname <> 'agent_registration_tokens'
    UNION ALL
    SELECT 72, format('REVOKE ALL ON %s FROM %I', name, :reader) FROM product WHERE relname = 'agent_registration_tokens'
    UNION ALL -- the audit trail only grows; its functions seal it and delete old rows, with the owner's rights
    SELECT 73, format('REVOKE UPDATE, DELETE, TRUNCATE ON %s FROM %I', name,
                      :application) FROM product WHERE relname = 'agent_audit'
    UNION ALL
    SELECT 73, format('REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON %s FROM %I', name, :application)
    FROM product WHERE relname = 'agent_audit_seals'
    UNION ALL
    SELECT 80, format('GRANT SELECT, REFERENCES ON %s TO %I', name, :owner) FROM platform
    UNION ALL
    SELECT 81, format('GRANT SELECT ON %s TO %I', name, :application) FROM platform
    UNION ALL
    SELECT 82, format('GRANT INSERT, UPDATE ON %s TO %I', name,
                      :application) FROM platform WHERE relname = 'service_requests'
    UNION ALL
    SELECT 83, format('GRANT INSERT ON %s TO %I', name, :application) FROM platform
    WHERE relname IN ('service_request_history', 'users')
    UNION ALL -- what `db import-platform` reads
    SELECT 84, format('GRANT SELECT ON public.%I TO %I', c.relname, :owner)
    FROM pg_class c CROSS JOIN place p
    WHERE p.schema <> 'public' AND c.relnamespace = 'public'::regnamespace
      AND c.relname IN ('agent_devices', 'agent_metrics')
    UNION ALL -- as the platform makes them with the first ticket of a year, so that an alert need not wait for that
    SELECT 85, format('CREATE SEQUENCE IF NOT EXISTS %I.%I', nspname, 'service_request_number_seq_' || year)
    FROM numbering
    UNION ALL
    SELECT 86, format('ALTER SEQUENCE %I.%I OWNER TO %I', nspname, 'service_request_number_seq_' || year, owner)
    FROM numbering
    UNION ALL
    SELECT 87, format('GRANT USAGE ON SEQUENCE %I.%I TO %I', nspname, 'service_request_number_seq_' || year,
                      :application)
    FROM numbering
    UNION ALL
    SELECT 90, format('GRANT USAGE ON SEQUENCE %I.%I TO %I', n.nspname, c.relname, :application)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = 'public' AND c.relkind = 'S' AND c.relname ~ '^service_request_number_seq_\d{4}$'
    UNION ALL -- of the years to come
    SELECT 91, format('ALTER DEFAULT PRIVILEGES FOR ROLE %I IN SCHEMA public GRANT USAGE ON SEQUENCES TO %I', owner,
                      :application)
    FROM platform WHERE relname = 'service_requests'
)
SELECT statement FROM statements ORDER BY place, statement
