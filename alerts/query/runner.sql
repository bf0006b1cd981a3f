-- devices_in_reach --
-- The devices in the scope of any rule, ordered by business.
SELECT id FROM agent_devices
WHERE is_active AND NOT soft_delete AND monitoring_enabled AND alerts_enabled
ORDER BY business_id, id

-- plan_for_scans --
-- Within a transaction, for statements that scan the rows of a fleet (:scans), and as usual after them: groups and joins
-- are hashed, and rows of a range of time are read page by page. In the order of an index each row costs three times as
-- much, and the planner cannot see that.
SELECT set_config(name, CASE WHEN :scans::boolean THEN 'off' ELSE 'on' END, true)
FROM unnest(ARRAY['enable_indexscan', 'enable_sort', 'enable_mergejoin']) AS s (name)

-- open_places --
-- The rules whose state is not inactive, with their devices: these are evaluated whatever the screening finds.
SELECT agent_alert_id, agent_device_id FROM agent_alert_states
