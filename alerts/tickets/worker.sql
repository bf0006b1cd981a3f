-- Tickets in the platform's own tables. Only their guaranteed columns are named; other columns (soft_delete,
-- updated_at, is_primary_contact …) are read from the row as JSON, which gives null for a missing column.

-- ended_incidents --
-- Incidents that should be open although none of their alerts is open any more.
SELECT t.id
FROM agent_alert_tickets t
WHERE t.wanted = 'open'
  AND NOT EXISTS (SELECT FROM agent_alert_history h
                  WHERE h.agent_alert_ticket_id = t.id AND h.status IN ('active', 'acknowledged'))

-- lock_incidents --
-- Those of :incidents that no other session has locked. The next statement sees all commits before it.
SELECT id FROM agent_alert_tickets WHERE id = ANY (:incidents::uuid[]) FOR NO KEY UPDATE SKIP LOCKED

-- end_incidents --
-- Queue those of :incidents for closing that have really ended; :now.
UPDATE agent_alert_tickets t
SET wanted = 'closed', due_at = :now::timestamptz, attempts = 0
WHERE t.id = ANY (:incidents::uuid[]) AND t.wanted = 'open'
  AND NOT EXISTS (SELECT FROM agent_alert_history h
                  WHERE h.agent_alert_ticket_id = t.id AND h.status IN ('active', 'acknowledged'))

-- due_incidents --
-- The incidents that are due, the oldest first.
SELECT id FROM agent_alert_tickets WHERE due_at <= :now ORDER BY due_at LIMIT :limit

-- bound_waits --
-- The platform's transactions may hold its rows, and its triggers may take long: retry later rather than wait while our
-- rows are locked.
SELECT set_config('lock_timeout', '5s', true), set_config('statement_timeout', '20s', true)

-- lock_due --
-- One incident, if it is still due and no other session has locked it.
SELECT service_request_id FROM agent_alert_tickets WHERE id = :incident_id
  AND due_at <= :now FOR NO KEY UPDATE SKIP LOCKED

-- lock_request --
-- Lock the ticket, so that no other session changes it between reading and writing.
SELECT id FROM service_requests WHERE id = :ticket_id FOR NO KEY UPDATE

-- read_incident --
-- An incident and the state of its ticket; a ticket marked as deleted counts as missing.
SELECT t.id, t.agent_device_id, t.business_id, t.service_location_id, t.severity, t.title, t.description, t.wanted,
       t.state, t.service_request_id, s.id IS NOT NULL AND NOT s.is_deleted AS has_ticket,
       s.status_id, s.created_by_user_id, COALESCE(s.is_final_status, false) AS is_final,
       t.was_touched OR (t.service_request_id IS NULL AND t.state = 'open') OR COALESCE(s.is_deleted, false)
           OR (s.id IS NOT NULL AND (s.status_id IS DISTINCT FROM t.seen_status_id
                                     OR s.updated_at IS DISTINCT FROM t.seen_updated_at)) AS is_touched
FROM agent_alert_tickets t
LEFT JOIN LATERAL (
    SELECT r.id, r.status_id, r.created_by_user_id, c.is_final_status,
           (to_jsonb(r) ->> 'updated_at')::timestamptz AS updated_at,
           COALESCE((to_jsonb(r) ->> 'soft_delete')::boolean, false)
               OR to_jsonb(r) ->> 'deleted_at' IS NOT NULL AS is_deleted
    FROM service_requests r LEFT JOIN service_request_statuses c ON c.id = r.status_id
    WHERE r.id = t.service_request_id
) s ON true
WHERE t.id = :incident_id

-- link_request --
-- The alerts of this opening of an incident get its ticket, and a note (null: what failed before is forgotten).
UPDATE agent_alert_history h
SET service_request_created = :ticket_id::uuid,
    ticket_note = COALESCE(:note::text, CASE WHEN t.attempts = 0 THEN h.ticket_note END)
FROM agent_alert_tickets t
WHERE t.id = :incident_id AND h.agent_alert_ticket_id = t.id
  AND (h.status IN ('active', 'acknowledged') OR t.closed_at IS NULL OR h.triggered_at >= t.closed_at)

-- note_alerts --
-- Record at the alerts of this incident why they have no ticket, or the state of their ticket.
UPDATE agent_alert_history h
SET ticket_note = :note::text
FROM agent_alert_tickets t
WHERE t.id = :incident_id AND h.agent_alert_ticket_id = t.id
  AND (h.status IN ('active', 'acknowledged') OR t.closed_at IS NULL OR h.triggered_at >= t.closed_at)
  AND h.ticket_note IS DISTINCT FROM :note

-- note_open --
-- Record the ticket of an incident and its state after our change. :incident_id, :ticket_id, :is_touched changed by
-- people, :now.
UPDATE agent_alert_tickets t
SET state = 'open', service_request_id = :ticket_id::uuid, was_touched = :is_touched, due_at = NULL, attempts = 0,
    last_error = NULL, fault_reason = NULL,
    opened_at = CASE WHEN t.state = 'open' THEN t.opened_at ELSE :now::timestamptz END,
    seen_status_id = (SELECT status_id FROM service_requests WHERE id = :ticket_id),
    seen_updated_at = (SELECT (to_jsonb(r) ->> 'updated_at')::timestamptz FROM service_requests r
                       WHERE r.id = :ticket_id)
WHERE t.id = :incident_id

-- note_closed --
-- The incident is over. :incident_id, :state: closed by us or kept, :is_touched touched by people, :now.
UPDATE agent_alert_tickets t
SET state = :state, was_touched = :is_touched, closed_at = :now::timestamptz, due_at = NULL, attempts = 0,
    last_error = NULL, fault_reason = NULL,
    seen_status_id = (SELECT status_id FROM service_requests WHERE id = t.service_request_id),
    seen_updated_at = (SELECT (to_jsonb(r) ->> 'updated_at')::timestamptz
                       FROM service_requests r WHERE r.id = t.service_request_id)
WHERE t.id = :incident_id

-- postpone --
-- Postpone an incident that failed, by a delay that doubles from :first_delay up to :max_delay.
UPDATE agent_alert_tickets
SET attempts = attempts + 1, last_error = :fault, fault_reason = :reason,
    due_at = :now::timestamptz + LEAST(:first_delay::interval * power(2, LEAST(attempts, 20)), :max_delay::interval)
WHERE id = :incident_id
RETURNING attempts, due_at
