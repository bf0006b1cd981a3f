-- What the worker itself asks of the database.

-- clean_up --
-- What autovacuum does on a real server: remove dead rows and tell the planner how things stand.
VACUUM (ANALYZE)
