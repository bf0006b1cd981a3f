-- describe_connections --
-- How many connections the server accepts from this role.
SELECT current_setting('max_connections')::int
           - current_setting('superuser_reserved_connections')::int
           - COALESCE(current_setting('reserved_connections', true)::int, 0)
