-- The services of a device and their expected state. Uploads write the state (ingest/queries.sql), people the other.

-- read_services --
-- The services of a device in the order of their names.
SELECT s.id, s.service_name AS name, s.service_display_name, s.service_type, s.status, s.pid, s.should_be_running,
       s.auto_restart, s.last_checked, s.last_state_change, s.restart_count, s.state_changes,
       s.missing_since
FROM agent_monitored_services s
JOIN agent_devices d ON d.id = s.agent_device_id
WHERE s.agent_device_id = :device_id AND NOT d.soft_delete AND (:tenant::uuid IS NULL OR d.business_id = :tenant)
ORDER BY s.service_name

-- change_service --
-- Change those settings of a service that an object names, and leave a trail of how they were; no row when there is
-- no such service, nothing done when there is no such employee. :device_id, :service_id, :changes column -> value,
-- :now, :actor_kind, :actor_id, :actor_source.
WITH before AS (
    SELECT s AS service
    FROM agent_monitored_services s
    WHERE s.id = :service_id AND s.agent_device_id = :device_id
      AND EXISTS (SELECT FROM agent_devices d WHERE d.id = :device_id AND NOT d.soft_delete)
    FOR NO KEY UPDATE OF s
), allowed AS (
    SELECT service FROM before WHERE EXISTS (SELECT FROM employees WHERE id = :actor_id::uuid)
), changed AS (
    UPDATE agent_monitored_services s
    SET should_be_running = p.should_be_running, auto_restart = p.auto_restart,
        service_display_name = p.service_display_name
    FROM allowed a CROSS JOIN LATERAL jsonb_populate_record(a.service, :changes::jsonb) p
    WHERE s.id = p.id
    RETURNING s.*
), audited AS (
    {audit}
    SELECT :now, {actor}, 'service_settings_changed', :device_id,
           jsonb_build_object('service_id', :service_id::uuid, 'service_name', (a.service).service_name,
                              'changed', :changes::jsonb, 'before',
                              (SELECT jsonb_object_agg(k, to_jsonb(a.service) -> k)
                               FROM jsonb_object_keys(:changes::jsonb) k))
    FROM allowed a
)
SELECT c.id, c.service_name AS name, c.service_display_name, c.service_type, c.status, c.pid, c.should_be_running,
       c.auto_restart, c.last_checked, c.last_state_change, c.restart_count, c.state_changes,
       c.missing_since
FROM before b LEFT JOIN changed c ON true
