-- Gateways of a business, their hosts, and the device that each host is.

-- create_gateway --
-- Keep the hash of a new gateway's token. :gateway_id, :business_id, :service_location_id (or null), :name,
-- :token_hash, :enrolment, :host_pattern, :max_hosts, :metrics_interval_seconds, :now, :actor_kind, :actor_id,
-- :actor_source, :may_read whether it may read the fleet.
WITH created AS (
    INSERT INTO agent_gateways (id, business_id, service_location_id, gateway_name, token_hash, enrolment, host_pattern,
                                max_hosts, metrics_interval_seconds, created_at, may_read)
    VALUES (:gateway_id, :business_id, :service_location_id, :name, :token_hash, :enrolment, :host_pattern,
            :max_hosts, :metrics_interval_seconds, :now, :may_read)
    RETURNING id, business_id, gateway_name
), audited AS (
    {audit}
    SELECT :now, {actor}, 'gateway_created', NULL,
           jsonb_build_object('gateway_id', id, 'business_id', business_id, 'gateway_name', gateway_name)
    FROM created
)
SELECT id FROM created

-- list_gateways --
-- Gateways, newest first, with their hosts counted. :gateway_id (null: all), :business_id (null: all), :after_time
-- and :after_id time and id of the last one of the page before, :limit.
SELECT g.id, g.gateway_name, g.business_id, b.business_name, g.service_location_id, l.location_name, g.enrolment,
       g.host_pattern, g.max_hosts, g.metrics_interval_seconds, g.created_at, g.revoked_at, g.may_read,
       count(h.id) AS hosts, count(h.id) FILTER (WHERE h.agent_device_id IS NULL AND h.refused_at IS NULL) AS waiting
FROM agent_gateways g
JOIN businesses b ON b.id = g.business_id
LEFT JOIN service_locations l ON l.id = g.service_location_id
LEFT JOIN agent_gateway_hosts h ON h.gateway_id = g.id
WHERE (:gateway_id::uuid IS NULL OR g.id = :gateway_id) AND (:business_id::uuid IS NULL OR g.business_id = :business_id)
  AND (:after_time::timestamptz IS NULL OR (g.created_at, g.id) < (:after_time, :after_id::uuid))
GROUP BY g.id, b.business_name, l.location_name
ORDER BY g.created_at DESC, g.id DESC
LIMIT :limit

-- revoke_gateway --
-- Refuse a gateway's token from now on.
WITH revoked AS (
    UPDATE agent_gateways SET revoked_at = :now WHERE id = :gateway_id AND revoked_at IS NULL RETURNING id,
        business_id, gateway_name
), audited AS (
    {audit}
    SELECT :now, {actor}, 'gateway_revoked', NULL,
           jsonb_build_object('gateway_id', id, 'business_id', business_id, 'gateway_name', gateway_name)
    FROM revoked
)
SELECT id FROM revoked

-- list_hosts --
-- The hosts of a gateway's business by name, with their devices, and with the device of the same name that a waiting
-- host may be. :gateway_id, :state (null: all), :host_id (null: all), :after_name last name of the page before,
-- :limit.
SELECT h.id, h.host, h.state, h.first_seen_at, h.confirmed_at, h.gateway_id, h.agent_device_id AS agent_id,
       d.device_name,
       t.id AS same_name_agent_id
FROM (
    SELECT h.*, CASE WHEN h.refused_at IS NOT NULL THEN 'refused'
                     WHEN h.agent_device_id IS NULL THEN 'waiting' ELSE 'confirmed' END AS state
    FROM agent_gateway_hosts h JOIN agent_gateways g ON g.business_id = h.business_id
    WHERE g.id = :gateway_id
) h
LEFT JOIN agent_devices d ON d.id = h.agent_device_id AND d.business_id = h.business_id AND NOT d.soft_delete
LEFT JOIN LATERAL (
    SELECT s.id FROM agent_devices s
    WHERE s.business_id = h.business_id AND lower(s.hostname) = h.host AND NOT s.soft_delete AND h.state = 'waiting'
    ORDER BY s.created_at DESC LIMIT 1
) t ON true
WHERE (:state::text IS NULL OR h.state = :state) AND (:host_id::uuid IS NULL OR h.id = :host_id)
  AND (:after_name::text IS NULL OR h.host > :after_name)
ORDER BY h.host
LIMIT :limit

-- load_gateway --
-- A gateway whose token is good.
SELECT id, business_id, enrolment, host_pattern, may_read
FROM agent_gateways
WHERE id = :gateway_id AND token_hash = :token_hash AND revoked_at IS NULL

-- load_hosts --
-- The decisions on the hosts of a business.
SELECT host, agent_device_id, refused_at IS NOT NULL AS is_refused
FROM agent_gateway_hosts
WHERE business_id = :business_id

-- lock_gateway --
-- Keep others from adding hosts; no row for a revoked one.
SELECT id FROM agent_gateways WHERE id = :gateway_id AND revoked_at IS NULL FOR UPDATE

-- add_hosts --
-- Add hosts of a gateway, as many as it may have. One whose name fits the rule becomes a device, unless a device of
-- the business has that name: then a person decides. :gateway_id, :hosts, :fits which fit the rule, :now.
WITH gateway AS (
    SELECT g.*, g.max_hosts - (SELECT count(*) FROM agent_gateway_hosts h WHERE h.gateway_id = g.id) AS room
    FROM agent_gateways g WHERE g.id = :gateway_id
), candidate AS (
    SELECT u.host, u.fits, row_number() OVER (ORDER BY u.place) AS number
    FROM unnest(:hosts::text[], :fits::boolean[]) WITH ORDINALITY u (host, fits, place), gateway g
    WHERE NOT EXISTS (SELECT FROM agent_gateway_hosts h WHERE h.business_id = g.business_id AND h.host = u.host)
), new AS (
    SELECT w.host, CASE WHEN w.fits AND NOT EXISTS (
               SELECT FROM agent_devices d
               WHERE d.business_id = g.business_id AND lower(d.hostname) = w.host AND NOT d.soft_delete
           ) THEN gen_random_uuid() END AS device_id
    FROM candidate w, gateway g
    WHERE w.number <= g.room
), created AS (
    INSERT INTO agent_devices (id, business_id, service_location_id, device_name, hostname, metrics_interval_seconds,
                               created_at, updated_at, config_changed_at, enrolled_at)
    SELECT n.device_id, g.business_id, g.service_location_id, n.host, n.host, g.metrics_interval_seconds, :now, :now,
           :now, :now
    FROM new n, gateway g
    WHERE n.device_id IS NOT NULL
    RETURNING id
), added AS (
    INSERT INTO agent_gateway_hosts (business_id, gateway_id, host, agent_device_id, first_seen_at, confirmed_at)
    SELECT g.business_id, g.id, n.host, m.id, :now::timestamptz, CASE WHEN m.id IS NOT NULL THEN :now END
    FROM new n CROSS JOIN gateway g LEFT JOIN created m ON m.id = n.device_id
    ON CONFLICT (business_id, host) DO NOTHING
    RETURNING host, agent_device_id
), audited AS (
    {audit}
    SELECT :now, {system}, 'gateway_host_added', a.agent_device_id,
           jsonb_build_object('gateway_id', :gateway_id::uuid, 'host', a.host)
    FROM added a
)
SELECT host, agent_device_id
FROM added

-- lock_host --
-- A host of a gateway's business, with the data for a decision.
SELECT h.id, h.host, h.business_id, h.agent_device_id, g.service_location_id, g.metrics_interval_seconds
FROM agent_gateway_hosts h JOIN agent_gateways g ON g.business_id = h.business_id
WHERE g.id = :gateway_id AND h.id = :host_id
FOR UPDATE OF h

-- device_of_business --
-- A device that a host may become: of that business, with whether it has its own agent and another host.
SELECT d.id, d.agent_token IS NOT NULL AS has_agent,
       EXISTS (SELECT FROM agent_gateway_hosts h WHERE h.agent_device_id = d.id) AS is_taken
FROM agent_devices d
WHERE d.id = :device_id AND d.business_id = :business_id AND NOT d.soft_delete AND d.is_active
FOR NO KEY UPDATE OF d

-- make_device --
-- Make the device of a host.
INSERT INTO agent_devices (id, business_id, service_location_id, device_name, hostname, metrics_interval_seconds,
                           created_by,
                           created_at, updated_at, config_changed_at, enrolled_at)
VALUES (:device_id, :business_id, :service_location_id, :name, :hostname, :metrics_interval_seconds, :employee_id,
        :now, :now, :now, :now)

-- drop_agent_token --
-- Refuse the device's own agent from now on.
UPDATE agent_devices
SET agent_token = NULL, previous_agent_token = NULL, previous_token_until = NULL, rotation_requested_at = NULL,
    updated_at = :now
WHERE id = :device_id

-- decide_host --
-- Bind a host to a device, or refuse it (null), and note who did.
WITH changed AS (
    UPDATE agent_gateway_hosts
    SET agent_device_id = :device_id, confirmed_at = CASE WHEN :device_id::uuid IS NOT NULL THEN :now::timestamptz END,
        refused_at = CASE WHEN :device_id IS NULL THEN :now END
    WHERE id = :host_id
    RETURNING gateway_id, host
)
{audit}
SELECT :now, {actor},
       CASE WHEN :device_id IS NULL THEN 'gateway_host_refused' ELSE 'gateway_host_confirmed' END, :device_id,
       jsonb_build_object('gateway_id', gateway_id, 'host', host)
FROM changed
