-- The services of a device and what is expected of them. Uploads write their state (ingest/queries.sql), people this.

-- read_services --
-- The services of a device in the order of their names. $1 device, $2 tenant.
SELECT s.id, s.service_name AS name, s.service_display_name, s.service_type, s.status, s.pid, s.should_be_running,
       s.auto_restart, s.last_checked, s.last_state_change, s.restart_count, s.state_changes,
       s.missing_since
FROM agent_monitored_services s
JOIN agent_devices d ON d.id = s.agent_device_id
WHERE s.agent_device_id = $1 AND NOT d.soft_delete AND ($2::uuid IS NULL OR d.business_id = $2)
ORDER BY s.service_name

-- change_service --
-- Change those settings of a service that an object names, and leave a trail of how they were; no row when there is no
-- such service, nothing done when there is no such employee. $1 device, $2 service, $3 column -> value, $4 now, $5 kind
-- of actor, $6 employee, $7 address.
WITH before AS (
    SELECT s AS service
    FROM agent_monitored_services s
    WHERE s.id = $2 AND s.agent_device_id = $1
      AND EXISTS (SELECT FROM agent_devices d WHERE d.id = $1 AND NOT d.soft_delete)
    FOR NO KEY UPDATE OF s
), allowed AS (
    SELECT service FROM before WHERE EXISTS (SELECT FROM employees WHERE id = $6::uuid)
), changed AS (
    UPDATE agent_monitored_services s
    SET should_be_running = p.should_be_running, auto_restart = p.auto_restart,
        service_display_name = p.service_display_name
    FROM allowed a CROSS JOIN LATERAL jsonb_populate_record(a.service, $3::jsonb) p
    WHERE s.id = p.id
    RETURNING s.*
), audited AS (
    INSERT INTO agent_audit (at, actor_kind, actor_id, source, action, agent_device_id, details)
    SELECT $4, $5::text, $6, $7::inet, 'service_settings_changed', $1,
           jsonb_build_object('service_id', $2::uuid, 'service_name', (a.service).service_name,
                              'changed', $3::jsonb, 'before',
                              (SELECT jsonb_object_agg(k, to_jsonb(a.service) -> k)
                               FROM jsonb_object_keys($3::jsonb) k))
    FROM allowed a
)
SELECT c.id, c.service_name AS name, c.service_display_name, c.service_type, c.status, c.pid, c.should_be_running,
       c.auto_restart, c.last_checked, c.last_state_change, c.restart_count, c.state_changes,
       c.missing_since
FROM before b LEFT JOIN changed c ON true
