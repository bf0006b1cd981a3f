-- The mark of a database as production: a setting of the database, which a dump and a restored copy do not carry.

-- read_mark --
-- The name of this database and its mark; null where there is none.
SELECT current_database() AS name,
       (SELECT substring(setting FROM '^rts\.environment=(.*)$')
        FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase
        CROSS JOIN unnest(s.setconfig) AS setting
        WHERE d.datname = current_database() AND s.setrole = 0 AND setting LIKE 'rts.environment=%') AS mark

-- compose_mark --
-- The statement that sets the mark. :environment the mark.
SELECT format('ALTER DATABASE %I SET rts.environment = %L', current_database(), :environment::text)

-- compose_unmark --
-- The statement that removes the mark.
SELECT format('ALTER DATABASE %I RESET rts.environment', current_database())
