-- What is and was installed on devices. Each that people read takes the caller's tenant (null: an employee, who sees
-- all). A stay is a row of agent_software_inventory: one software in one version from first_seen to removed_at.

-- queue_list --
-- Let the lists of one device wait for each other, without holding up its uploads; and let the worker wait for lists
-- that may not have seen a new end-of-life rule (eol.sql). Both end with the transaction. $1 device.
SELECT pg_advisory_xact_lock_shared(7260, 1), pg_advisory_xact_lock(7261, hashtext($1::uuid::text))

-- newest_list --
-- When the newest list of a device was taken; no row when the device is gone. It can't be deleted until the
-- transaction ends. $1 device.
SELECT inventory_at FROM agent_devices WHERE id = $1 AND is_active AND NOT soft_delete FOR KEY SHARE

-- merge_list --
-- Bring a device's stays in line with a list. The full join is one pass by hash, however long the list is. Rows are
-- locked in the order of their ids, as the worker locks them.
-- $1 device, $2 time of the list, $3 whether it is full, $4… the columns of the list (no key twice): names, types,
-- versions, vendors, dates of installation, security software, newest already, newest versions; $12 what was removed:
-- an object of name -> [{version, type}] (null: any), which costs no join; $13 today.
WITH listed AS (
    SELECT * FROM unnest($4::text[], $5::text[], $6::text[], $7::text[], $8::date[], $9::boolean[], $10::boolean[],
                         $11::text[])
        AS l (name, type, version, vendor, installed, security, is_latest, latest)
), known AS MATERIALIZED (
    SELECT i.id, i.software_name, i.software_type, i.software_version, r.latest_available_version AS rule_latest,
           ROW (i.vendor, i.install_date, i.is_security_software, i.is_latest_version, i.reported_latest_version) AS facts
    FROM agent_software_inventory i
    LEFT JOIN agent_software_eol r ON r.id = i.eol_rule_id
    WHERE i.agent_device_id = $1 AND i.is_active
    ORDER BY i.id
    FOR NO KEY UPDATE OF i
), merged AS MATERIALIZED (
    SELECT k.id, k.software_name, k.software_type, k.software_version, k.rule_latest, l.*,
           k.facts IS DISTINCT FROM ROW (l.vendor, l.installed, l.security, l.is_latest, l.latest) AS changed
    FROM known k
    FULL JOIN listed l ON l.name = k.software_name AND l.type = k.software_type
                      AND COALESCE(l.version, '') = COALESCE(k.software_version, '')
), seen AS (
    UPDATE agent_software_inventory i
    SET last_seen = $2, vendor = m.vendor, install_date = m.installed, is_security_software = m.security,
        is_latest_version = m.is_latest, reported_latest_version = m.latest,
        latest_available_version = COALESCE(m.latest, m.rule_latest)
    FROM merged m
    WHERE i.id = m.id AND m.name IS NOT NULL
), ended AS (
    UPDATE agent_software_inventory i
    SET is_active = false, removed_at = $2
    FROM merged m
    WHERE i.id = m.id AND m.name IS NULL
      AND ($3::boolean OR EXISTS (SELECT FROM jsonb_array_elements($12::jsonb -> m.software_name) g
                                  WHERE COALESCE(g ->> 'version' = COALESCE(m.software_version, ''), true)
                                    AND COALESCE(g ->> 'type' = m.software_type, true)))
    RETURNING i.id
), added AS (
    INSERT INTO agent_software_inventory
        (agent_device_id, software_name, software_type, software_version, vendor, install_date, is_security_software,
         is_latest_version, reported_latest_version, latest_available_version, first_seen, last_seen,
         eol_rule_id, eol_date, is_eol)
    SELECT $1, m.name, m.type, m.version, m.vendor, m.installed, m.security,
           m.is_latest, m.latest, COALESCE(m.latest, r.rule_latest), $2, $2,
           r.rule_id, r.rule_date, r.rule_date <= $13::date
    FROM merged m LEFT JOIN LATERAL agent_software_rule(m.name, m.version) r ON true
    WHERE m.id IS NULL
    RETURNING id
), noted AS (
    UPDATE agent_devices
    SET inventory_at = $2, inventory_since = COALESCE(inventory_since, $2)
    WHERE id = $1
)
SELECT (SELECT count(*) FROM added) AS added, (SELECT count(*) FROM ended) AS removed,
       count(*) FILTER (WHERE id IS NOT NULL AND name IS NOT NULL AND changed) AS updated,
       count(*) FILTER (WHERE id IS NOT NULL AND name IS NOT NULL AND NOT changed) AS unchanged
FROM merged

-- read_device --
-- When the first and the newest list of a device were taken, or no row. $1 device, $2 tenant.
SELECT inventory_since, inventory_at
FROM agent_devices
WHERE id = $1 AND NOT soft_delete AND ($2::uuid IS NULL OR business_id = $2)

-- read_software --
-- A page of what is, or was, on a device. $1 device, $2 tenant, $3 a time (null: what is there now), $4 the day that
-- ends of life are counted by, $5 LIKE pattern of name or vendor, $6 type, $7 past its end of life or not, $8 security
-- software or not (null: all), $9 and $10 sort key and id of the last one of the page before, $11 rows.
SELECT i.id, i.software_name, i.software_version, i.vendor, i.install_date, i.software_type, i.is_security_software,
       i.is_active, i.first_seen, i.last_seen, i.removed_at, i.is_latest_version, i.latest_available_version,
       COALESCE(i.eol_date <= $4::date, false) AS is_eol, i.eol_date, lower(i.software_name) AS sort_key
FROM agent_software_inventory i
JOIN agent_devices d ON d.id = i.agent_device_id
WHERE i.agent_device_id = $1 AND NOT d.soft_delete
  AND ($2::uuid IS NULL OR (d.business_id = $2 AND i.former_owner IS NULL))
  AND CASE WHEN $3::timestamptz IS NULL THEN i.is_active
           ELSE i.first_seen <= $3 AND COALESCE(i.removed_at > $3, true) END
  AND ($5::text IS NULL OR lower(i.software_name) LIKE lower($5) OR COALESCE(lower(i.vendor) LIKE lower($5), false))
  AND ($6::text IS NULL OR i.software_type = $6)
  AND ($7::boolean IS NULL OR COALESCE(i.eol_date <= $4, false) = $7)
  AND ($8::boolean IS NULL OR i.is_security_software = $8)
  AND ($9::text IS NULL OR (lower(i.software_name) COLLATE "C", i.id) > ($9, $10::uuid))
ORDER BY lower(i.software_name) COLLATE "C", i.id
LIMIT $11

-- read_changes --
-- A page of what came and went on a device after its first list, newest first. A removal and an installation of one
-- name and type at one time are one upgrade. $1 device, $2 tenant, $3 since, $4 until, $5 to $7 time, sort key and id
-- of the last one of the page before, $8 rows.
WITH stays AS (
    SELECT i.*, i.first_seen > d.inventory_since AS came_later
    FROM agent_software_inventory i
    JOIN agent_devices d ON d.id = i.agent_device_id
    WHERE i.agent_device_id = $1 AND NOT d.soft_delete
      AND ($2::uuid IS NULL OR (d.business_id = $2 AND i.former_owner IS NULL))
      AND COALESCE(i.first_seen < i.removed_at, true) -- two lists of one time: the first never was in force
), came AS (
    SELECT first_seen AS at, software_name, software_type, software_version, vendor, id,
           row_number() OVER (PARTITION BY first_seen, software_name, software_type
                              ORDER BY software_version COLLATE "C", id) AS nth
    FROM stays
    WHERE came_later
), went AS (
    SELECT removed_at AS at, software_name, software_type, software_version, vendor, id,
           row_number() OVER (PARTITION BY removed_at, software_name, software_type
                              ORDER BY software_version COLLATE "C", id) AS nth
    FROM stays
    WHERE removed_at IS NOT NULL
), changes AS (
    SELECT at, software_name, software_type,
           CASE WHEN c.id IS NULL THEN 'removed' WHEN w.id IS NULL THEN 'installed' ELSE 'upgraded' END AS change,
           CASE WHEN c.id IS NULL THEN w.software_version ELSE c.software_version END AS software_version,
           CASE WHEN c.id IS NOT NULL THEN w.software_version END AS from_version,
           COALESCE(c.vendor, w.vendor) AS vendor, COALESCE(c.id, w.id) AS id, lower(software_name) AS sort_key
    FROM came c FULL JOIN went w USING (at, software_name, software_type, nth)
)
SELECT *
FROM changes
WHERE ($3::timestamptz IS NULL OR at >= $3)
  AND ($4::timestamptz IS NULL OR at < $4)
  AND ($5::timestamptz IS NULL OR at < $5 OR (at = $5 AND (sort_key COLLATE "C", id) > ($6::text, $7::uuid)))
ORDER BY at DESC, sort_key COLLATE "C", id
LIMIT $8

-- find_software --
-- A page of where in the fleet a software is now. $1 tenant, $2 LIKE pattern of the name's beginning, $3 version or
-- its beginning ('': any), $4 the day that ends of life are counted by, $5 and $6 sort key and id of the last one of
-- the page before, $7 rows.
SELECT i.id, i.software_name, i.software_version, i.software_type, i.vendor, i.eol_date,
       COALESCE(i.eol_date <= $4::date, false) AS is_eol, i.first_seen, i.last_seen,
       i.agent_device_id, d.device_name, d.business_id, b.business_name, lower(i.software_name) AS sort_key
FROM agent_software_inventory i
JOIN agent_devices d ON d.id = i.agent_device_id
JOIN businesses b ON b.id = d.business_id
WHERE i.is_active AND NOT d.soft_delete AND ($1::uuid IS NULL OR d.business_id = $1)
  AND lower(i.software_name) COLLATE "C" LIKE lower($2::text)
  AND agent_software_version_fits(i.software_version, $3::text)
  AND ($5::text IS NULL OR (lower(i.software_name) COLLATE "C", i.id) > ($5, $6::uuid))
ORDER BY lower(i.software_name) COLLATE "C", i.id
LIMIT $7
