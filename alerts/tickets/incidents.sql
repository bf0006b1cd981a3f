-- Which ticket an alert gets: its own, that of its rule's group in the business, or that of its site. Everything here runs
-- in the evaluation's transaction, and locks incidents before it touches alerts that were there before, as worker/ does.

-- plan_for_few --
-- Effects of changes concern some devices, not the fleet: reset the planner settings of the evaluation's large joins.
SELECT set_config('enable_nestloop', 'on', true)

-- silent_sites --
-- Of devices that were just found silent, those whose site has fallen silent: at least :min_devices, and the share
-- :min_share of those that were heard until then, were heard last within two intervals of one another, and not since.
-- Devices that were silent long before do not count. A site whose ticket is open takes its devices whatever
-- the share. :devices, :by_samples whether their rule looks at samples only, :now.
WITH contact AS (
    SELECT d.id, d.service_location_id AS site, by_data,
           CASE WHEN by_data THEN d.last_metrics_received
                ELSE GREATEST(d.last_heartbeat, d.last_metrics_received) END AS at,
           d.metrics_interval_seconds * interval '1 second' AS every
    FROM agent_devices d CROSS JOIN unnest(ARRAY[false, true]) AS by_data
    WHERE d.is_active AND NOT d.soft_delete AND d.monitoring_enabled AND d.alerts_enabled
      AND d.service_location_id IN (SELECT f.service_location_id FROM agent_devices f
                                    WHERE f.id = ANY (:devices::uuid[]))
), silent AS (
    SELECT * FROM contact WHERE at < :now::timestamptz - 1.25 * every
), fired AS (
    SELECT s.id, s.site, s.by_data, s.at
    FROM silent s
    JOIN unnest(:devices::uuid[], :by_samples::boolean[]) AS f (id, by_data)
        ON f.id = s.id AND f.by_data = s.by_data
), newest AS (
    SELECT site, by_data, max(at) AS at FROM fired GROUP BY site, by_data
), counted AS (
    SELECT n.site, n.by_data, count(*) AS heard_then,
           count(*) FILTER (WHERE h.at < :now - 1.25 * h.every AND h.at <= n.at + 2 * h.every) AS silent_now
    FROM newest n
    JOIN contact h ON h.site = n.site AND h.by_data = n.by_data AND h.at >= n.at - 2 * h.every
    GROUP BY n.site, n.by_data
)
SELECT f.id, f.site
FROM fired f JOIN counted c ON c.site = f.site AND c.by_data = f.by_data
WHERE (c.silent_now >= :min_devices::integer AND c.silent_now >= :min_share::float8 * c.heard_then)
   OR EXISTS (SELECT FROM agent_alert_tickets t WHERE t.incident_key = 'site:' || f.site AND t.wanted = 'open')

-- count_groups --
-- Of a rule in a business: how many devices it reaches, on how many it is open (those of silent sites don't count),
-- and whether its group has an incident already. :rules, :businesses, :sites alerts that sites take.
SELECT w.rule_id, w.business_id, reached.devices AS reach, opened.alerts AS open,
       EXISTS (SELECT FROM agent_alert_tickets t
               WHERE t.incident_key = 'rule:' || w.rule_id || ':' || w.business_id AND t.wanted = 'open') AS is_group
FROM unnest(:rules::uuid[], :businesses::uuid[]) AS w (rule_id, business_id)
JOIN agent_alerts a ON a.id = w.rule_id
CROSS JOIN LATERAL (
    SELECT count(*) AS devices
    FROM agent_devices d
    WHERE d.business_id = w.business_id AND d.is_active AND NOT d.soft_delete AND d.monitoring_enabled
      AND d.alerts_enabled AND (a.agent_device_id IS NULL OR d.id = a.agent_device_id)
      AND (a.service_location_id IS NULL OR d.service_location_id = a.service_location_id)
      AND (a.device_type IS NULL OR d.device_type = a.device_type)
) reached
CROSS JOIN LATERAL (
    SELECT count(DISTINCT h.agent_device_id) AS alerts
    FROM agent_alert_history h
    JOIN agent_devices d ON d.id = h.agent_device_id
    LEFT JOIN agent_alert_tickets t ON t.id = h.agent_alert_ticket_id
    WHERE h.agent_alert_id = w.rule_id AND d.business_id = w.business_id AND h.status IN ('active', 'acknowledged')
      AND h.id <> ALL (:sites::uuid[]) AND (t.id IS NULL OR NOT starts_with(t.incident_key, 'site:'))
) opened

-- instance_incidents --
-- The open incidents whose keys begin with one of :beginnings, and the instances that had alerts of them.
SELECT t.incident_key, ARRAY(SELECT DISTINCT h.instance FROM agent_alert_history h
                             WHERE h.agent_alert_ticket_id = t.id AND h.instance <> '') AS instances
FROM unnest(:beginnings::text[]) AS w (begin)
JOIN agent_alert_tickets t ON t.wanted = 'open' AND starts_with(t.incident_key, w.begin)

-- open_incidents --
-- Queue these incidents for opening. An open one stays open; one that ended within :reopen_within is reopened with
-- its ticket; else a new one is made. An open one gets the highest severity so far, and the text of the first alert of
-- that severity. A waiting one keeps its turn. :keys, :rules, :devices (null: a group), :businesses, :sites,
-- :severities, :titles, :descriptions, :due, :now.
WITH requested AS (
    SELECT *
    FROM unnest(:keys::text[], :rules::uuid[], :devices::uuid[], :businesses::uuid[], :sites::uuid[],
                :severities::text[], :titles::text[], :descriptions::text[],
                :due::timestamptz[])
        AS w (key, rule_id, device_id, business_id, location_id, severity, title, description, due_at)
), newest AS (
    SELECT DISTINCT ON (t.incident_key) t.id, w.*, more_severe,
           t.wanted = 'open' AND (more_severe < 0 OR more_severe = 0 AND t.agent_alert_id <> w.rule_id) AS keeps_text
    FROM requested w JOIN agent_alert_tickets t ON t.incident_key = w.key
    CROSS JOIN LATERAL (SELECT array_position(ARRAY['info', 'warning', 'critical'], w.severity)
                               - array_position(ARRAY['info', 'warning', 'critical'], t.severity) AS more_severe) s
    ORDER BY t.incident_key, t.created_at DESC, (t.wanted = 'open') DESC
), reopened AS (
    UPDATE agent_alert_tickets t
    SET wanted = 'open',
        title = CASE WHEN n.keeps_text THEN t.title ELSE n.title END,
        description = CASE WHEN n.keeps_text THEN t.description ELSE n.description END,
        severity = CASE WHEN t.wanted = 'open' AND n.more_severe < 0 THEN t.severity ELSE n.severity END,
        state = CASE WHEN t.state = 'open' THEN 'open' ELSE 'waiting' END,
        attempts = CASE WHEN t.wanted = 'open' AND t.state = 'waiting' THEN t.attempts ELSE 0 END,
        due_at = CASE WHEN t.wanted = 'open' AND t.state = 'waiting' THEN t.due_at ELSE n.due_at END
    FROM newest n
    WHERE t.id = n.id
      AND (t.wanted = 'open' OR t.closed_at IS NULL OR t.state IN ('waiting', 'open')
           OR t.closed_at > :now::timestamptz - :reopen_within::interval)
    RETURNING t.incident_key
)
INSERT INTO agent_alert_tickets
    (incident_key, agent_alert_id, agent_device_id, business_id, service_location_id, severity, title, description,
     wanted, created_at, due_at)
SELECT w.key, w.rule_id, w.device_id, w.business_id, w.location_id, w.severity, w.title, w.description, 'open', :now,
       w.due_at
FROM requested w
WHERE NOT EXISTS (SELECT FROM reopened a WHERE a.incident_key = w.key)
ON CONFLICT (incident_key) WHERE wanted = 'open' DO NOTHING

-- link_alerts --
-- Set the incident of alerts.
UPDATE agent_alert_history h
SET agent_alert_ticket_id = t.id
FROM unnest(:alerts::uuid[], :keys::text[]) AS l (history_id, key)
JOIN agent_alert_tickets t ON t.incident_key = l.key AND t.wanted = 'open'
WHERE h.id = l.history_id

-- absorb_waiting --
-- Incidents of one device that have no ticket yet go into the group. :keys the groups' keys, :rules, :businesses,
-- :sites (null: all), :now.
WITH taken AS (
    UPDATE agent_alert_tickets t
    SET wanted = 'closed', state = 'closed', closed_at = :now::timestamptz, due_at = NULL, attempts = 0,
        last_error = NULL,
        fault_reason = NULL
    FROM unnest(:keys::text[], :rules::uuid[], :businesses::uuid[],
                :sites::uuid[]) AS g (key, rule_id, business_id, location_id)
    WHERE t.agent_alert_id = g.rule_id AND t.business_id = g.business_id AND t.agent_device_id IS NOT NULL
      AND (g.location_id IS NULL OR t.service_location_id = g.location_id)
      AND t.wanted = 'open' AND t.state = 'waiting' AND t.service_request_id IS NULL
    RETURNING t.id, g.key
)
UPDATE agent_alert_history h
SET agent_alert_ticket_id = t.id
FROM taken JOIN agent_alert_tickets t ON t.incident_key = taken.key AND t.wanted = 'open'
WHERE h.agent_alert_ticket_id = taken.id AND h.status IN ('active', 'acknowledged')

-- describe_groups --
-- The content of groups' tickets: the devices with open alerts, the messages of the first :limit.
SELECT t.id, a.alert_name, l.location_name, g.alerts, g.devices, g.messages
FROM agent_alert_tickets t
JOIN agent_alerts a ON a.id = t.agent_alert_id
LEFT JOIN service_locations l ON l.id = t.service_location_id
CROSS JOIN LATERAL (
    SELECT count(*) AS alerts, count(DISTINCT d.id) AS devices,
           (array_agg(left(h.alert_message, 200) ORDER BY d.device_name, d.id))[1 : :limit::integer] AS messages
    FROM agent_alert_history h JOIN agent_devices d ON d.id = h.agent_device_id
    WHERE h.agent_alert_ticket_id = t.id AND h.status IN ('active', 'acknowledged')
) g
WHERE t.incident_key = ANY (:keys::text[]) AND t.wanted = 'open'

-- write_texts --
UPDATE agent_alert_tickets t
SET title = w.title, description = w.description
FROM unnest(:incidents::uuid[], :titles::text[], :descriptions::text[]) AS w (id, title, description)
WHERE t.id = w.id
