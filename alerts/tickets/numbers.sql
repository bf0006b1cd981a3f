-- Tickets go into the platform's table under its own numbers, or under the year's next.

-- may_number_itself --
-- Whether the platform may number its tickets itself: by a default or identity of the column, or by a trigger that runs for
-- each row before its insert (bits 1, 2 and 4 of its type).
SELECT a.atthasdef OR a.attidentity <> ''
    OR EXISTS (SELECT FROM pg_trigger t
               WHERE t.tgrelid = a.attrelid AND NOT t.tgisinternal AND t.tgenabled IN ('O', 'A') AND t.tgtype & 7 = 7)
FROM pg_attribute a
WHERE a.attrelid = 'service_requests'::regclass AND a.attname = 'request_number'

-- insert_request --
-- A ticket that the platform numbers. $1 title, $2 description, $3 client, $4 business, $5 site, $6 date, $7 urgency,
-- $8 priority, $9 status.
INSERT INTO service_requests
    (title, description, client_id, created_by_user_id, business_id, service_location_id, requested_date,
     urgency_level_id, priority_level_id, status_id)
VALUES ($1, $2, $3::uuid, $3::uuid, $4::uuid, $5::uuid, $6::date, $7::uuid, $8::uuid, $9::uuid)
RETURNING id

-- insert_numbered --
-- A ticket with the year's next number. The platform counts on as well: a number that is taken by now fails as not
-- unique, and the caller tries again. $1 to $9 as above, $10 year.
WITH numbered AS (
    SELECT (COALESCE(max(substring(request_number FROM '^SR-\d+-(\d{1,15})$')::bigint), 0) + 1)::text AS next
    FROM service_requests
    WHERE request_number LIKE 'SR-' || $10::text || '-%'
)
INSERT INTO service_requests
    (request_number, title, description, client_id, created_by_user_id, business_id, service_location_id,
     requested_date, urgency_level_id, priority_level_id, status_id)
SELECT 'SR-' || $10 || '-' || lpad(next, GREATEST(6, length(next)), '0'), $1, $2, $3::uuid, $3::uuid, $4::uuid, $5::uuid,
       $6::date, $7::uuid, $8::uuid, $9::uuid
FROM numbered
RETURNING id
