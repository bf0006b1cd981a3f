-- Tickets in the platform's own tables. Of those only the columns of the contract are named; what else a row may have
-- (soft_delete, updated_at, is_primary_contact …) is asked of the row as JSON, which is null where there is no such column.

-- ended_incidents --
-- Incidents that are wanted open and to which no open alert belongs, whoever ended it.
SELECT t.id
FROM agent_alert_tickets t
WHERE t.wanted = 'open'
  AND NOT EXISTS (SELECT FROM agent_alert_history h
                  WHERE h.agent_alert_ticket_id = t.id AND h.status IN ('active', 'acknowledged'))

-- lock_incidents --
-- Those of $1 that nobody else has just now. What is asked next sees what was committed before.
SELECT id FROM agent_alert_tickets WHERE id = ANY ($1::uuid[]) FOR NO KEY UPDATE SKIP LOCKED

-- end_incidents --
-- Want those of $1 closed that have really ended; $2 now.
UPDATE agent_alert_tickets t
SET wanted = 'closed', due_at = $2::timestamptz, attempts = 0
WHERE t.id = ANY ($1::uuid[]) AND t.wanted = 'open'
  AND NOT EXISTS (SELECT FROM agent_alert_history h
                  WHERE h.agent_alert_ticket_id = t.id AND h.status IN ('active', 'acknowledged'))

-- due_incidents --
-- What is to be done, the oldest first. $1 now, $2 most.
SELECT id FROM agent_alert_tickets WHERE due_at <= $1 ORDER BY due_at LIMIT $2

-- bound_waits --
-- The platform's own transactions may hold its rows, and its triggers may take long: rather try again later than wait for
-- them with ours locked.
SELECT set_config('lock_timeout', '5s', true), set_config('statement_timeout', '20s', true)

-- lock_due --
-- One incident, if it is due still and nobody else has it. $1 incident, $2 now.
SELECT service_request_id FROM agent_alert_tickets WHERE id = $1 AND due_at <= $2 FOR NO KEY UPDATE SKIP LOCKED

-- lock_request --
-- The ticket, so that nobody changes it between our look at it and our change. $1 ticket.
SELECT id FROM service_requests WHERE id = $1 FOR NO KEY UPDATE

-- read_incident --
-- An incident and how its ticket stands; one that is marked as deleted is none. $1 incident.
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
WHERE t.id = $1

-- link_request --
-- The alerts of this opening of an incident get its ticket, and a note (null: what failed before is forgotten).
-- $1 incident, $2 ticket, $3 note.
UPDATE agent_alert_history h
SET service_request_created = $2::uuid,
    ticket_note = COALESCE($3::text, CASE WHEN t.attempts = 0 THEN h.ticket_note END)
FROM agent_alert_tickets t
WHERE t.id = $1 AND h.agent_alert_ticket_id = t.id
  AND (h.status IN ('active', 'acknowledged') OR t.closed_at IS NULL OR h.triggered_at >= t.closed_at)

-- note_alerts --
-- Say of the alerts of this opening why they have no ticket, or what became of it. $1 incident, $2 note.
UPDATE agent_alert_history h
SET ticket_note = $2::text
FROM agent_alert_tickets t
WHERE t.id = $1 AND h.agent_alert_ticket_id = t.id
  AND (h.status IN ('active', 'acknowledged') OR t.closed_at IS NULL OR h.triggered_at >= t.closed_at)
  AND h.ticket_note IS DISTINCT FROM $2

-- note_open --
-- The incident has its ticket; how we leave that is remembered. $1 incident, $2 ticket, $3 touched by people, $4 now.
UPDATE agent_alert_tickets t
SET state = 'open', service_request_id = $2::uuid, was_touched = $3, due_at = NULL, attempts = 0, last_error = NULL, fault_reason = NULL,
    opened_at = CASE WHEN t.state = 'open' THEN t.opened_at ELSE $4::timestamptz END,
    seen_status_id = (SELECT status_id FROM service_requests WHERE id = $2),
    seen_updated_at = (SELECT (to_jsonb(r) ->> 'updated_at')::timestamptz FROM service_requests r WHERE r.id = $2)
WHERE t.id = $1

-- note_closed --
-- The incident is over. $1 incident, $2 state: closed by us or kept, $3 touched by people, $4 now.
UPDATE agent_alert_tickets t
SET state = $2, was_touched = $3, closed_at = $4::timestamptz, due_at = NULL, attempts = 0, last_error = NULL, fault_reason = NULL,
    seen_status_id = (SELECT status_id FROM service_requests WHERE id = t.service_request_id),
    seen_updated_at = (SELECT (to_jsonb(r) ->> 'updated_at')::timestamptz
                       FROM service_requests r WHERE r.id = t.service_request_id)
WHERE t.id = $1

-- put_off --
-- It failed: try again after a delay that doubles up to $4, beginning with $3. $1 incident, $2 now, $5 fault, $6 reason.
UPDATE agent_alert_tickets
SET attempts = attempts + 1, last_error = $5, fault_reason = $6,
    due_at = $2::timestamptz + LEAST($3::interval * power(2, LEAST(attempts, 20)), $4::interval)
WHERE id = $1
RETURNING attempts, due_at
