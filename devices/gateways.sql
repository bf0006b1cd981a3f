-- Gateways of a business, their hosts, and the device that each host is.

-- create_gateway --
-- Keep the hash of a new gateway's token. $1 id, $2 business, $3 location (or null), $4 name, $5 token hash, $6 enrolment,
-- $7 pattern of hosts, $8 most hosts, $9 metrics interval, $10 now, $11 kind of actor, $12 employee, $13 address, $14 whether
-- it may read the fleet.
WITH made AS (
    INSERT INTO agent_gateways (id, business_id, service_location_id, gateway_name, token_hash, enrolment, host_pattern,
                                max_hosts, metrics_interval_seconds, created_at, may_read)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $14)
    RETURNING id, business_id, gateway_name
), audited AS (
    INSERT INTO agent_audit (at, actor_kind, actor_id, source, action, details)
    SELECT $10, $11, $12, $13::inet, 'gateway_created',
           jsonb_build_object('gateway_id', id, 'business_id', business_id, 'gateway_name', gateway_name)
    FROM made
)
SELECT id FROM made

-- list_gateways --
-- Gateways, newest first, with their hosts counted. $1 gateway (null: all), $2 business (null: all), $3 and $4 time and id of
-- the last one of the page before, $5 gateways on a page.
SELECT g.id, g.gateway_name, g.business_id, b.business_name, g.service_location_id, l.location_name, g.enrolment,
       g.host_pattern, g.max_hosts, g.metrics_interval_seconds, g.created_at, g.revoked_at, g.may_read,
       count(h.id) AS hosts, count(h.id) FILTER (WHERE h.agent_device_id IS NULL AND h.refused_at IS NULL) AS waiting
FROM agent_gateways g
JOIN businesses b ON b.id = g.business_id
LEFT JOIN service_locations l ON l.id = g.service_location_id
LEFT JOIN agent_gateway_hosts h ON h.gateway_id = g.id
WHERE ($1::uuid IS NULL OR g.id = $1) AND ($2::uuid IS NULL OR g.business_id = $2)
  AND ($3::timestamptz IS NULL OR (g.created_at, g.id) < ($3, $4::uuid))
GROUP BY g.id, b.business_name, l.location_name
ORDER BY g.created_at DESC, g.id DESC
LIMIT $5

-- revoke_gateway --
-- Refuse a gateway's token from now on. $1 gateway, $2 now, $3 kind of actor, $4 employee, $5 address.
WITH revoked AS (
    UPDATE agent_gateways SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL RETURNING id, business_id, gateway_name
), audited AS (
    INSERT INTO agent_audit (at, actor_kind, actor_id, source, action, details)
    SELECT $2, $3, $4, $5::inet, 'gateway_revoked',
           jsonb_build_object('gateway_id', id, 'business_id', business_id, 'gateway_name', gateway_name)
    FROM revoked
)
SELECT id FROM revoked

-- list_hosts --
-- The hosts of a gateway's business by name, with their devices, and with the device of the same name that a waiting host may
-- be. $1 gateway, $2 state (null: all), $3 host (null: all), $4 last name of the page before, $5 hosts on a page.
SELECT h.id, h.host, h.state, h.first_seen_at, h.confirmed_at, h.gateway_id, h.agent_device_id AS agent_id, d.device_name,
       t.id AS same_name_agent_id
FROM (
    SELECT h.*, CASE WHEN h.refused_at IS NOT NULL THEN 'refused'
                     WHEN h.agent_device_id IS NULL THEN 'waiting' ELSE 'confirmed' END AS state
    FROM agent_gateway_hosts h JOIN agent_gateways g ON g.business_id = h.business_id
    WHERE g.id = $1
) h
LEFT JOIN agent_devices d ON d.id = h.agent_device_id AND d.business_id = h.business_id AND NOT d.soft_delete
LEFT JOIN LATERAL (
    SELECT s.id FROM agent_devices s
    WHERE s.business_id = h.business_id AND lower(s.hostname) = h.host AND NOT s.soft_delete AND h.state = 'waiting'
    ORDER BY s.created_at DESC LIMIT 1
) t ON true
WHERE ($2::text IS NULL OR h.state = $2) AND ($3::uuid IS NULL OR h.id = $3) AND ($4::text IS NULL OR h.host > $4)
ORDER BY h.host
LIMIT $5

-- load_gateway --
-- A gateway whose token is good. $1 gateway, $2 token hash.
SELECT id, business_id, enrolment, host_pattern, may_read
FROM agent_gateways
WHERE id = $1 AND token_hash = $2 AND revoked_at IS NULL

-- load_hosts --
-- What is decided on the hosts of a business. $1 business.
SELECT host, agent_device_id, refused_at IS NOT NULL AS is_refused
FROM agent_gateway_hosts
WHERE business_id = $1

-- lock_gateway --
-- Keep others from adding hosts; no row for a revoked one. $1 gateway.
SELECT id FROM agent_gateways WHERE id = $1 AND revoked_at IS NULL FOR UPDATE

-- add_hosts --
-- Add hosts of a gateway, as many as it may have. One whose name fits the rule becomes a device, unless a device of the
-- business has that name: then a person decides. $1 gateway, $2 hosts, $3 which fit the rule, $4 now.
WITH gateway AS (
    SELECT g.*, g.max_hosts - (SELECT count(*) FROM agent_gateway_hosts h WHERE h.gateway_id = g.id) AS room
    FROM agent_gateways g WHERE g.id = $1
), wanted AS (
    SELECT u.host, u.fits, row_number() OVER (ORDER BY u.place) AS number
    FROM unnest($2::text[], $3::boolean[]) WITH ORDINALITY u (host, fits, place), gateway g
    WHERE NOT EXISTS (SELECT FROM agent_gateway_hosts h WHERE h.business_id = g.business_id AND h.host = u.host)
), new AS (
    SELECT w.host, CASE WHEN w.fits AND NOT EXISTS (
               SELECT FROM agent_devices d
               WHERE d.business_id = g.business_id AND lower(d.hostname) = w.host AND NOT d.soft_delete
           ) THEN gen_random_uuid() END AS device_id
    FROM wanted w, gateway g
    WHERE w.number <= g.room
), made AS (
    INSERT INTO agent_devices (id, business_id, service_location_id, device_name, hostname, metrics_interval_seconds,
                               created_at, updated_at, config_changed_at, enrolled_at)
    SELECT n.device_id, g.business_id, g.service_location_id, n.host, n.host, g.metrics_interval_seconds, $4, $4, $4, $4
    FROM new n, gateway g
    WHERE n.device_id IS NOT NULL
    RETURNING id
), added AS (
    INSERT INTO agent_gateway_hosts (business_id, gateway_id, host, agent_device_id, first_seen_at, confirmed_at)
    SELECT g.business_id, g.id, n.host, m.id, $4::timestamptz, CASE WHEN m.id IS NOT NULL THEN $4 END
    FROM new n CROSS JOIN gateway g LEFT JOIN made m ON m.id = n.device_id
    ON CONFLICT (business_id, host) DO NOTHING
    RETURNING host, agent_device_id
), audited AS (
    INSERT INTO agent_audit (at, actor_kind, action, agent_device_id, details)
    SELECT $4, 'system', 'gateway_host_added', a.agent_device_id, jsonb_build_object('gateway_id', $1::uuid, 'host', a.host)
    FROM added a
)
SELECT host, agent_device_id, (SELECT count(pg_notify('rts_live', 'devices')::text) FROM (SELECT FROM made LIMIT 1) m) AS woken
FROM added

-- lock_host --
-- A host of a gateway's business, with what a decision needs. $1 gateway, $2 host's id.
SELECT h.id, h.host, h.business_id, h.agent_device_id, g.service_location_id, g.metrics_interval_seconds
FROM agent_gateway_hosts h JOIN agent_gateways g ON g.business_id = h.business_id
WHERE g.id = $1 AND h.id = $2
FOR UPDATE OF h

-- device_of_business --
-- A device that a host may become: of that business, with whether it has an agent of its own and another host. $1 device,
-- $2 business.
SELECT d.id, d.agent_token IS NOT NULL AS has_agent,
       EXISTS (SELECT FROM agent_gateway_hosts h WHERE h.agent_device_id = d.id) AS is_taken
FROM agent_devices d
WHERE d.id = $1 AND d.business_id = $2 AND NOT d.soft_delete AND d.is_active
FOR NO KEY UPDATE OF d

-- make_device --
-- Make the device of a host. $1 device, $2 business, $3 location, $4 name, $5 hostname, $6 metrics interval, $7 employee, $8 now.
INSERT INTO agent_devices (id, business_id, service_location_id, device_name, hostname, metrics_interval_seconds, created_by,
                           created_at, updated_at, config_changed_at, enrolled_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8, $8, $8)

-- drop_agent_token --
-- Refuse the device's own agent from now on. $1 device, $2 now.
UPDATE agent_devices
SET agent_token = NULL, previous_agent_token = NULL, previous_token_until = NULL, rotation_requested_at = NULL, updated_at = $2
WHERE id = $1

-- decide_host --
-- Bind a host to a device, or refuse it (null), and note who did. $1 host's id, $2 device, $3 now, $4 kind of actor,
-- $5 employee, $6 address.
WITH changed AS (
    UPDATE agent_gateway_hosts
    SET agent_device_id = $2, confirmed_at = CASE WHEN $2::uuid IS NOT NULL THEN $3::timestamptz END,
        refused_at = CASE WHEN $2 IS NULL THEN $3 END
    WHERE id = $1
    RETURNING gateway_id, host
)
INSERT INTO agent_audit (at, actor_kind, actor_id, source, action, agent_device_id, details)
SELECT $3, $4, $5, $6::inet, CASE WHEN $2 IS NULL THEN 'gateway_host_refused' ELSE 'gateway_host_confirmed' END, $2,
       jsonb_build_object('gateway_id', gateway_id, 'host', host)
FROM changed
