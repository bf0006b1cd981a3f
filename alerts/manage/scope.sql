-- Checks the parts of a scope against each other.

-- check_place --
-- The business of a scope, and whether its parts exist and belong to one business. :business_id,
-- :service_location_id site, :device_id (each or null).
WITH place AS (
    SELECT COALESCE(:business_id::uuid, d.business_id, l.business_id) AS business_id, d.business_id AS of_device,
           l.business_id AS of_location
    FROM (SELECT) one
    LEFT JOIN service_locations l ON l.id = :service_location_id::uuid
    LEFT JOIN agent_devices d ON d.id = :device_id::uuid AND NOT d.soft_delete
)
SELECT p.business_id,
       :business_id IS NULL OR EXISTS (SELECT FROM businesses b WHERE b.id = :business_id) AS business_known,
       :service_location_id IS NULL OR COALESCE(p.of_location = p.business_id, false) AS location_fits,
       :device_id IS NULL OR COALESCE(p.of_device = p.business_id, false) AS device_fits
FROM place p
