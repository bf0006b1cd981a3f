-- Services that their devices no longer have.

-- devices_missing_some --
SELECT DISTINCT agent_device_id AS id FROM agent_monitored_services
WHERE missing_since IS NOT NULL AND agent_device_id <> ALL (:postponed::uuid[])

-- forget_missing --
-- Delete services that have been missing for :age, and of a device with more than :most missing ones the oldest: names
-- that change with each logon or container leave room for others. What an employee has set and what a rule names stays,
-- and all services of a device on which a rule on services is open. :now, :only these
-- devices (null: all).
WITH named AS MATERIALIZED (
    SELECT DISTINCT lower(v #>> '{}') AS name
    FROM agent_alerts a CROSS JOIN LATERAL jsonb_path_query(a.conditions, '$.**.service') v
    WHERE NOT a.soft_delete
), waiting AS MATERIALIZED (
    SELECT DISTINCT s.agent_device_id
    FROM agent_alert_states s JOIN agent_alerts a ON a.id = s.agent_alert_id
    WHERE jsonb_path_exists(a.conditions, '$.**.service')
), missing AS (
    SELECT s.id, s.missing_since,
           row_number() OVER (PARTITION BY s.agent_device_id ORDER BY s.missing_since DESC, s.id) AS place
    FROM agent_monitored_services s
    WHERE s.missing_since IS NOT NULL AND (:only::uuid[] IS NULL OR s.agent_device_id = ANY (:only)) AND s.should_be_running AND NOT s.auto_restart AND s.service_display_name IS NULL
      AND lower(s.service_name) NOT IN (SELECT name FROM named WHERE name IS NOT NULL)
      AND s.agent_device_id NOT IN (SELECT agent_device_id FROM waiting)
)
DELETE FROM agent_monitored_services s
USING missing m
WHERE s.id = m.id AND (m.missing_since < :now::timestamptz - :age::interval OR m.place > :most::integer)
