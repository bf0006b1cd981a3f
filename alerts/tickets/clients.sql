-- The user and the site that a ticket needs.

-- find_client --
-- :email.
SELECT id FROM users WHERE lower(email) = lower(:email) ORDER BY id LIMIT 1

-- find_location --
-- Where it is: the incident's own site, else the headquarters, else the oldest. :business_id, :service_location_id
-- site or null.
SELECT l.id
FROM service_locations l
WHERE l.business_id = :business_id
  AND NOT COALESCE((to_jsonb(l) ->> 'soft_delete')::boolean, false)
  AND COALESCE((to_jsonb(l) ->> 'is_active')::boolean, true)
ORDER BY l.id = :service_location_id DESC NULLS LAST, COALESCE((to_jsonb(l) ->> 'is_headquarters')::boolean,
                                                               false) DESC,
         (to_jsonb(l) ->> 'created_at')::timestamptz NULLS LAST, l.id
LIMIT 1
