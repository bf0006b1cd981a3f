-- Whether what an employee names belongs together.

-- check_place --
-- The business of a place, and whether what it names is there and all of one business. $1 business, $2 site, $3 device
-- (each or null).
WITH place AS (
    SELECT COALESCE($1::uuid, d.business_id, l.business_id) AS business_id, d.business_id AS of_device,
           l.business_id AS of_location
    FROM (SELECT) one
    LEFT JOIN service_locations l ON l.id = $2::uuid
    LEFT JOIN agent_devices d ON d.id = $3::uuid AND NOT d.soft_delete
)
SELECT p.business_id, $1 IS NULL OR EXISTS (SELECT FROM businesses b WHERE b.id = $1) AS business_known,
       $2 IS NULL OR COALESCE(p.of_location = p.business_id, false) AS location_fits,
       $3 IS NULL OR COALESCE(p.of_device = p.business_id, false) AS device_fits
FROM place p
