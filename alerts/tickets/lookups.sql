-- The platform's look-ups.

-- read_look_ups --
-- All rows of the three tables. The name stands in `name`, in older platforms in `level_name` or `status_name`.
WITH look_ups AS (
    SELECT 'urgency' AS kind, id, to_jsonb(u) AS found FROM urgency_levels u
    UNION ALL SELECT 'priority', id, to_jsonb(p) FROM priority_levels p
    UNION ALL SELECT 'status', id, to_jsonb(s) FROM service_request_statuses s
)
SELECT kind, id, COALESCE(found ->> 'name', found ->> 'level_name', found ->> 'status_name') AS name,
       COALESCE((found ->> 'is_active')::boolean, true) AS is_active
FROM look_ups
ORDER BY kind, COALESCE((found ->> 'display_order')::integer, 0), id
