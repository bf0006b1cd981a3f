-- Who answers.

-- which_server --
SELECT pg_backend_pid()
