-- Where the schema `grafana` is made, and the roles that read it.

-- describe_place --
-- Who owns our tables, and whether a schema `grafana` is there and ours.
SELECT pg_get_userbyid(c.relowner)::text AS owner, to_regnamespace('grafana') IS NOT NULL AS is_there,
       to_regclass('grafana.roles') IS NOT NULL AS is_ours
FROM pg_class c
WHERE c.oid = 'agent_metrics'::regclass

-- search_ours_first --
-- Functions keep this search path; temporary tables come last, or a session could put its own in front of ours.
SELECT set_config('search_path', concat_ws(', ', NULLIF(current_setting('search_path'), ''), 'pg_temp'), true)

-- compose_place --
-- The statements that make the schema, the group and the change to the owner. :owner owner.
SELECT statement
FROM (
    SELECT 1, format('CREATE SCHEMA grafana AUTHORIZATION %I', :owner::text)
    WHERE to_regnamespace('grafana') IS NULL
    UNION ALL
    SELECT 2, 'CREATE ROLE rts_grafana NOLOGIN'
    WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'rts_grafana')
    UNION ALL
    SELECT 3, format('SET LOCAL ROLE %I', :owner)
) s (place, statement)
ORDER BY place

-- describe_role --
-- Whether a role is there, and whether it is one of ours. :role its name.
SELECT r.rolname IS NOT NULL AS is_there,
       EXISTS (SELECT FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid
               WHERE m.member = r.oid AND g.rolname = 'rts_grafana') AS is_ours
FROM (SELECT :role::name AS name) w
LEFT JOIN pg_roles r ON r.rolname = w.name

-- compose_role --
-- The statements that create a role and restrict its rights. :role its name.
SELECT statement
FROM (
    SELECT 1, format('CREATE ROLE %I LOGIN CONNECTION LIMIT 5 IN ROLE rts_grafana', :role::name)
    WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :role)
    UNION ALL
    SELECT 2, format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), :role)
    UNION ALL
    SELECT 3, format('ALTER ROLE %I SET default_transaction_read_only = on', :role)
    UNION ALL
    SELECT 4, format('ALTER ROLE %I SET statement_timeout = %L', :role, '15s')
    UNION ALL
    SELECT 5, format('ALTER ROLE %I SET search_path = grafana', :role)
) s (place, statement)
ORDER BY place

-- find_business --
SELECT id FROM businesses WHERE id = :business_id

-- allow_role --
-- :role role, :business_id business (null: all).
INSERT INTO grafana.roles (role_name, business_id, sees_all)
VALUES (:role, :business_id, :business_id::uuid IS NULL)
ON CONFLICT (role_name) DO UPDATE SET business_id = EXCLUDED.business_id, sees_all = EXCLUDED.sees_all

-- list_roles --
SELECT r.role_name::text, b.business_name, r.sees_all
FROM grafana.roles r
LEFT JOIN businesses b ON b.id = r.business_id
ORDER BY r.role_name

-- forget_role --
-- :role role.
DELETE FROM grafana.roles WHERE role_name = :role

-- compose_removal --
-- The statements that end a role. :role its name.
SELECT format('DROP OWNED BY %I', :role::name) AS statement UNION ALL SELECT format('DROP ROLE %I', :role)
