-- Present and past software of devices. Each statement for people takes the caller's tenant (null: an employee, who
-- sees all). A stay is a row of agent_software_inventory: one software in one version from first_seen to removed_at.

-- queue_list --
-- Let the lists of one device wait for each other, without holding up its uploads; and let the worker wait for lists
-- that may not have seen a new end-of-life rule (eol.sql). Both end with the transaction.
SELECT pg_advisory_xact_lock_shared(7260, 1), pg_advisory_xact_lock(7261, hashtext(:device_id::uuid::text))

-- newest_list --
-- When the newest list of a device was taken; no row when the device is gone. It can't be deleted until the
-- transaction ends.
SELECT inventory_at FROM agent_devices WHERE id = :device_id AND is_active AND NOT soft_delete FOR KEY SHARE

-- merge_list --
-- Bring a device's stays in line with a list. The full join is one pass by hash, however long the list is. Rows are
-- locked in the order of their ids, as the worker locks them. :device_id, :collected_at time of the list, :is_full
-- whether it is full, the columns of the list (no key twice): names, types, versions, vendors, dates of
-- installation, security software, newest already, newest versions; :removed removals: an object of name ->
-- [{version, type}] (null: any), which costs no join; :today.
WITH listed AS (
    SELECT * FROM unnest(:software_name::text[], :software_type::text[], :software_version::text[], :vendor::text[],
                         :install_date::date[], :is_security_software::boolean[], :is_latest_version::boolean[],
                         :latest_available_version::text[])
        AS l (name, type, version, vendor, installed, security, is_latest, latest)
), current AS MATERIALIZED (
    SELECT i.id, i.software_name, i.software_type, i.software_version, r.latest_available_version AS rule_latest,
           ROW (i.vendor, i.install_date, i.is_security_software, i.is_latest_version,
                i.reported_latest_version) AS facts
    FROM agent_software_inventory i
    LEFT JOIN agent_software_eol r ON r.id = i.eol_rule_id
    WHERE i.agent_device_id = :device_id AND i.is_active
    ORDER BY i.id
    FOR NO KEY UPDATE OF i
), merged AS MATERIALIZED (
    SELECT k.id, k.software_name, k.software_type, k.software_version, k.rule_latest, l.*,
           k.facts IS DISTINCT FROM ROW (l.vendor, l.installed, l.security, l.is_latest, l.latest) AS changed
    FROM current k
    FULL JOIN listed l ON l.name = k.software_name AND l.type = k.software_type
                      AND COALESCE(l.version, '') = COALESCE(k.software_version, '')
), updated AS (
    UPDATE agent_software_inventory i
    SET last_seen = :collected_at, vendor = m.vendor, install_date = m.installed, is_security_software = m.security,
        is_latest_version = m.is_latest, reported_latest_version = m.latest,
        latest_available_version = COALESCE(m.latest, m.rule_latest)
    FROM merged m
    WHERE i.id = m.id AND m.name IS NOT NULL
), ended AS (
    UPDATE agent_software_inventory i
    SET is_active = false, removed_at = :collected_at
    FROM merged m
    WHERE i.id = m.id AND m.name IS NULL
      AND (:is_full::boolean OR EXISTS (SELECT FROM jsonb_array_elements(:removed::jsonb -> m.software_name) g
                                  WHERE COALESCE(g ->> 'version' = COALESCE(m.software_version, ''), true)
                                    AND COALESCE(g ->> 'type' = m.software_type, true)))
    RETURNING i.id
), added AS (
    INSERT INTO agent_software_inventory
        (agent_device_id, software_name, software_type, software_version, vendor, install_date, is_security_software,
         is_latest_version, reported_latest_version, latest_available_version, first_seen, last_seen,
         eol_rule_id, eol_date, is_eol)
    SELECT :device_id, m.name, m.type, m.version, m.vendor, m.installed, m.security,
           m.is_latest, m.latest, COALESCE(m.latest, r.rule_latest), :collected_at, :collected_at,
           r.rule_id, r.rule_date, r.rule_date <= :today::date
    FROM merged m LEFT JOIN LATERAL agent_software_rule(m.name, m.version) r ON true
    WHERE m.id IS NULL
    RETURNING id
), device_updated AS (
    UPDATE agent_devices
    SET inventory_at = :collected_at, inventory_since = COALESCE(inventory_since, :collected_at)
    WHERE id = :device_id
)
SELECT (SELECT count(*) FROM added) AS added, (SELECT count(*) FROM ended) AS removed,
       count(*) FILTER (WHERE id IS NOT NULL AND name IS NOT NULL AND changed) AS updated,
       count(*) FILTER (WHERE id IS NOT NULL AND name IS NOT NULL AND NOT changed) AS unchanged
FROM merged

-- read_device --
-- When the first and the newest list of a device were taken, or no row.
SELECT inventory_since, inventory_at
FROM agent_devices
WHERE id = :device_id AND NOT soft_delete AND (:tenant::uuid IS NULL OR business_id = :tenant)

-- read_software --
-- A page of a device's software. :device_id, :tenant, :at as of a time (null: now), :today the day
-- that ends of life are counted by, :pattern LIKE pattern of name or vendor, :software_type, :eol past its end of
-- life or not, :security software or not (null: all), :after_key and :after_id sort key and id of the last one of the
-- page before, :limit.
SELECT i.id, i.software_name, i.software_version, i.vendor, i.install_date, i.software_type, i.is_security_software,
       i.is_active, i.first_seen, i.last_seen, i.removed_at, i.is_latest_version, i.latest_available_version,
       COALESCE(i.eol_date <= :today::date, false) AS is_eol, i.eol_date, lower(i.software_name) AS sort_key
FROM agent_software_inventory i
JOIN agent_devices d ON d.id = i.agent_device_id
WHERE i.agent_device_id = :device_id AND NOT d.soft_delete
  AND (:tenant::uuid IS NULL OR (d.business_id = :tenant AND i.former_owner IS NULL))
  AND CASE WHEN :at::timestamptz IS NULL THEN i.is_active
           ELSE i.first_seen <= :at AND COALESCE(i.removed_at > :at, true) END
  AND (:pattern::text IS NULL OR lower(i.software_name) LIKE lower(:pattern)
       OR COALESCE(lower(i.vendor) LIKE lower(:pattern), false))
  AND (:software_type::text IS NULL OR i.software_type = :software_type)
  AND (:eol::boolean IS NULL OR COALESCE(i.eol_date <= :today, false) = :eol)
  AND (:security::boolean IS NULL OR i.is_security_software = :security)
  AND (:after_key::text IS NULL OR (lower(i.software_name) COLLATE "C", i.id) > (:after_key, :after_id::uuid))
ORDER BY lower(i.software_name) COLLATE "C", i.id
LIMIT :limit

-- read_changes --
-- A page of the changes on a device after its first list, newest first. A removal and an installation of one
-- name and type at one time are one upgrade. :device_id, :tenant, :since, :end, :after_time to :after_id time, sort
-- key and id of the last one of the page before, :limit.
WITH stays AS (
    SELECT i.*, i.first_seen > d.inventory_since AS came_later
    FROM agent_software_inventory i
    JOIN agent_devices d ON d.id = i.agent_device_id
    WHERE i.agent_device_id = :device_id AND NOT d.soft_delete
      AND (:tenant::uuid IS NULL OR (d.business_id = :tenant AND i.former_owner IS NULL))
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
WHERE (:since::timestamptz IS NULL OR at >= :since)
  AND (:end::timestamptz IS NULL OR at < :end)
  AND (:after_time::timestamptz IS NULL OR at < :after_time OR (at = :after_time
      AND (sort_key COLLATE "C",
           id) > (:after_key::text, :after_id::uuid)))
ORDER BY at DESC, sort_key COLLATE "C", id
LIMIT :limit

-- find_software --
-- A page of the devices with a software. :tenant, :pattern LIKE pattern of the name's beginning, :version or
-- its beginning ('': any), :today the day that ends of life are counted by, :after_key and :after_id sort key and id
-- of the last one of the page before, :limit.
SELECT i.id, i.software_name, i.software_version, i.software_type, i.vendor, i.eol_date,
       COALESCE(i.eol_date <= :today::date, false) AS is_eol, i.first_seen, i.last_seen,
       i.agent_device_id, d.device_name, d.business_id, b.business_name, lower(i.software_name) AS sort_key
FROM agent_software_inventory i
JOIN agent_devices d ON d.id = i.agent_device_id
JOIN businesses b ON b.id = d.business_id
WHERE i.is_active AND NOT d.soft_delete AND (:tenant::uuid IS NULL OR d.business_id = :tenant)
  AND lower(i.software_name) COLLATE "C" LIKE lower(:pattern::text)
  AND agent_software_version_fits(i.software_version, :version::text)
  AND (:after_key::text IS NULL OR (lower(i.software_name) COLLATE "C", i.id) > (:after_key, :after_id::uuid))
ORDER BY lower(i.software_name) COLLATE "C", i.id
LIMIT :limit
