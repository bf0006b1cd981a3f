-- Text that the named statements of all rooms share. A statement names a fragment in braces, `{audit}`.

-- audit --
-- A row of the audit trail, in the statement that makes the change, so that neither exists without the other. Unlike a
-- call of a function in a SELECT, an INSERT in a WITH always runs. The values follow in this order.
INSERT INTO agent_audit (at, actor_kind, actor_id, source, action, agent_device_id, details)

-- command_audit --
-- A row of the audit trail about a command.
INSERT INTO agent_audit (at, actor_kind, actor_id, source, action, agent_device_id, command_id, details)

-- actor --
-- The caller who makes a change: parameters of `devices.audit.Actor`.
:actor_kind::text, :actor_id::uuid, :actor_source::inet

-- system --
-- The product itself makes a change, by a periodic task or in consequence of another one.
'system', NULL, NULL

-- instance_is_picked --
-- A series `s` of a device `d` is one of those that a term `l` picks by name or pattern; names on Windows are equal in
-- any case.
CASE WHEN d.os_type = 'windows'
     THEN s.instance ILIKE ANY (ARRAY(SELECT jsonb_array_elements_text(l.includes)))
          AND NOT s.instance ILIKE ANY (ARRAY(SELECT jsonb_array_elements_text(l.excludes)))
     ELSE s.instance LIKE ANY (ARRAY(SELECT jsonb_array_elements_text(l.includes)))
          AND NOT s.instance LIKE ANY (ARRAY(SELECT jsonb_array_elements_text(l.excludes))) END

-- join_time_zones --
-- The time zones of the site and of the business of a device `d`.
LEFT JOIN agent_time_zones site
       ON site.business_id = d.business_id AND site.service_location_id = d.service_location_id
LEFT JOIN agent_time_zones business
       ON business.business_id = d.business_id AND business.service_location_id IS NULL

-- time_zone --
-- The zone by whose clock people at a device live; see `join_time_zones`.
alert_known_zone(COALESCE(site.time_zone, business.time_zone, :default_zone::text), 'UTC')

-- baselines --
-- `baseline` of `hourly` (key, hour_of_week, mean): the median and the median distance from it by hour of the week,
-- where there are three weeks or more.
usual AS MATERIALIZED (
    SELECT key, hour_of_week, percentile_cont(0.5) WITHIN GROUP (ORDER BY mean) AS median, count(*)::integer AS weeks
    FROM hourly
    WHERE mean IS NOT NULL
    GROUP BY key, hour_of_week
    HAVING count(*) >= 3
), baseline AS (
    SELECT u.key, u.hour_of_week, u.median, u.weeks,
           percentile_cont(0.5) WITHIN GROUP (ORDER BY abs(h.mean - u.median)) AS distance
    FROM usual u
    JOIN hourly h ON h.key = u.key AND h.hour_of_week = u.hour_of_week
    WHERE h.mean IS NOT NULL
    GROUP BY u.key, u.hour_of_week, u.median, u.weeks
)
