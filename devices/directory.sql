-- Reads of the platform's tables: people by id, businesses and their sites.

-- describe_employee --
-- The name of an employee: first and last name, else the e-mail address.
SELECT agent_person_name(to_jsonb(e)) AS name FROM employees e WHERE e.id = :employee_id

-- describe_user --
-- The name of a user and of their business. :user_id (or null), :business_id.
SELECT b.business_name,
       (SELECT agent_person_name(to_jsonb(u)) FROM users u WHERE u.id = :user_id AND u.business_id = b.id) AS name
FROM businesses b
WHERE b.id = :business_id

-- list_businesses --
-- Businesses in the order of their names, with how many devices each has. :tenant (null: an employee), :pattern a
-- pattern for ILIKE, :after_name and :after_id name and id of the last one of the page before, :limit.
WITH page AS (
    SELECT b.id, b.business_name
    FROM businesses b
    WHERE (:tenant::uuid IS NULL OR b.id = :tenant)
      AND (:pattern::text IS NULL OR b.business_name ILIKE :pattern)
      AND (:after_name::text IS NULL OR (b.business_name, b.id) > (:after_name, :after_id::uuid))
    ORDER BY b.business_name, b.id
    LIMIT :limit
)
SELECT p.id, p.business_name,
       (SELECT count(*) FROM agent_devices d
        WHERE d.business_id = p.id AND NOT d.soft_delete AND (:tenant IS NULL OR d.business_id = :tenant)) AS devices
FROM page p
ORDER BY p.business_name, p.id

-- list_sites --
-- The sites of a business, headquarters first, with how many devices each has; no row when the caller may not see it.
-- A business without sites is one row of nulls. :tenant (null: an employee), :business_id.
SELECT l.id, l.location_name, COALESCE(l.is_headquarters, false) AS is_headquarters,
       (SELECT count(*) FROM agent_devices d
        WHERE d.service_location_id = l.id AND d.business_id = b.id AND NOT d.soft_delete
          AND (:tenant::uuid IS NULL OR d.business_id = :tenant)) AS devices
FROM businesses b
LEFT JOIN service_locations l ON l.business_id = b.id
WHERE b.id = :business_id AND (:tenant IS NULL OR b.id = :tenant)
ORDER BY is_headquarters DESC, l.location_name, l.id
LIMIT 1000

-- list_time_zones --
-- The zones of a business (site null) and of its sites; no row when there is none or the caller may not see it.
-- :tenant (null: an employee), :business_id.
SELECT z.service_location_id, z.time_zone
FROM agent_time_zones z
WHERE z.business_id = :business_id AND (:tenant::uuid IS NULL OR z.business_id = :tenant)
ORDER BY z.service_location_id NULLS FIRST

-- set_time_zone --
-- Set the zone of a business or one of its sites, or take it away. Returns a row unless there is no such business or
-- site. :business_id, :site_id (or null), :time_zone (null: none), :now, :actor_kind, :actor_id, :actor_source.
WITH place AS (
    SELECT b.id FROM businesses b
    WHERE b.id = :business_id
      AND (:site_id::uuid IS NULL OR EXISTS (SELECT FROM service_locations l WHERE l.id = :site_id
        AND l.business_id = b.id))
), removed AS (
    DELETE FROM agent_time_zones z USING place p
    WHERE :time_zone::text IS NULL AND z.business_id = p.id AND z.service_location_id IS NOT DISTINCT FROM :site_id
), stored AS (
    INSERT INTO agent_time_zones (business_id, service_location_id, time_zone, updated_at)
    SELECT p.id, :site_id, :time_zone, :now::timestamptz FROM place p WHERE :time_zone IS NOT NULL
    ON CONFLICT (business_id, service_location_id) DO UPDATE
    SET time_zone = EXCLUDED.time_zone, updated_at = EXCLUDED.updated_at
), audited AS (
    {audit}
    SELECT :now, {actor}, 'time_zone_set', NULL,
           jsonb_build_object('business_id', p.id, 'service_location_id', :site_id, 'time_zone', :time_zone)
    FROM place p
)
SELECT id FROM place

-- list_logins --
-- Who may sign in to the demo: employees, and the first user of each business.
(SELECT 'employee' AS kind, id, email, NULL::uuid AS business_id, NULL AS business_name
 FROM employees ORDER BY email LIMIT 10)
UNION ALL
(SELECT DISTINCT ON (b.business_name, b.id) 'customer', u.id, u.email, b.id, b.business_name
 FROM businesses b JOIN users u ON u.business_id = b.id
 ORDER BY b.business_name, b.id, u.is_primary_contact DESC NULLS LAST, u.email
 LIMIT 20)
