-- Statements of the worker itself.

-- clean_up --
-- The work of autovacuum on a real server: remove dead rows and update the planner's statistics.
VACUUM (ANALYZE)
