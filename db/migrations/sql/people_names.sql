-- The names of employees whom rows refer to already; and what finds these rows when an employee is deleted. Devices come
-- last, as uploads wait for their rows until the commit.

-- found_by_person --
-- The deletion of an employee looks for what refers to them; the other tables are small.
CREATE INDEX agent_commands_by_requester ON agent_commands (requested_by) WHERE requested_by IS NOT NULL;
CREATE INDEX agent_commands_by_approver ON agent_commands (approved_by) WHERE approved_by IS NOT NULL;
CREATE INDEX agent_alert_history_by_acknowledger ON agent_alert_history (acknowledged_by)
    WHERE acknowledged_by IS NOT NULL;
CREATE INDEX agent_alert_history_by_resolver ON agent_alert_history (resolved_by) WHERE resolved_by IS NOT NULL;

-- names_of_today --
CREATE TEMPORARY TABLE employee_names ON COMMIT DROP AS
SELECT e.id, COALESCE(NULLIF(concat_ws(' ', f.found ->> 'first_name', f.found ->> 'last_name'), ''),
                      f.found ->> 'name', f.found ->> 'email') AS name
FROM employees e CROSS JOIN LATERAL (SELECT to_jsonb(e) AS found) f;
UPDATE agent_commands t SET requested_by_name = e.name FROM employee_names e WHERE e.id = t.requested_by;
UPDATE agent_commands t SET approved_by_name = e.name FROM employee_names e WHERE e.id = t.approved_by;
UPDATE agent_alert_history t SET acknowledged_by_name = e.name FROM employee_names e WHERE e.id = t.acknowledged_by;
UPDATE agent_alert_history t SET resolved_by_name = e.name FROM employee_names e WHERE e.id = t.resolved_by;
UPDATE agent_alerts t SET created_by_name = e.name FROM employee_names e WHERE e.id = t.created_by;
UPDATE agent_registration_tokens t SET created_by_name = e.name FROM employee_names e WHERE e.id = t.created_by;
UPDATE agent_maintenance_windows t SET created_by_name = e.name FROM employee_names e WHERE e.id = t.created_by;
UPDATE agent_software_eol t SET created_by_name = e.name FROM employee_names e WHERE e.id = t.created_by;
UPDATE agent_software_eol t SET updated_by_name = e.name FROM employee_names e WHERE e.id = t.updated_by;
UPDATE agent_devices t SET created_by_name = e.name FROM employee_names e WHERE e.id = t.created_by;
