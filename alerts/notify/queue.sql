-- The outbox of notifications: written with the alert, sent by the worker, grouped by recipient.

-- want_firing --
-- A notification for each alert and recipient, due after a short wait for further alerts. :alerts, :channels,
-- :recipients (in parallel), :now, :due.
INSERT INTO agent_alert_notifications (agent_alert_history_id, kind, channel, recipient, created_at, due_at)
SELECT t.*, :now::timestamptz, :due::timestamptz
FROM (SELECT alert_id, 'firing', channel, recipient
      FROM unnest(:alerts::uuid[], :channels::text[], :recipients::text[]) AS u (alert_id, channel, recipient)) AS t
ON CONFLICT DO NOTHING

-- want_resolved --
-- Recipients of a firing message get one when the alert ends. A message that was never tried is dropped. One that is
-- being retried stays due: after it is sent, note_sent queues the end too. After a message that was given up no end
-- is sent.
WITH untold AS (
    UPDATE agent_alert_notifications
    SET due_at = NULL, last_error = 'It was over before it was sent.'
    WHERE agent_alert_history_id = ANY (:alerts::uuid[]) AND kind = 'firing' AND sent_at IS NULL AND due_at IS NOT NULL
      AND attempts = 0
)
INSERT INTO agent_alert_notifications (agent_alert_history_id, kind, channel, recipient, created_at, due_at)
SELECT agent_alert_history_id, 'resolved', channel, recipient, :now::timestamptz, :now
FROM agent_alert_notifications
WHERE agent_alert_history_id = ANY (:alerts::uuid[]) AND kind = 'firing' AND sent_at IS NOT NULL
ON CONFLICT DO NOTHING

-- claim_notifications --
-- Lease due notifications until :held_until: if this worker dies, another one sends them then. Businesses take turns,
-- so that many messages of one do not delay another's. Messages of snoozed alerts wait, except for their end; alerts
-- that are not critical wait during quiet hours. `owner_id` is the business of the rule; `reason` is why an alert
-- ended by itself, never a person's note. :now, :held_until, :limit, :is_quiet whether these are quiet hours.
WITH waiting AS MATERIALIZED (
    SELECT n.id, row_number() OVER (PARTITION BY COALESCE(h.former_owner, d.business_id) ORDER BY n.due_at, n.id) AS turn
    FROM agent_alert_notifications n
    JOIN agent_alert_history h ON h.id = n.agent_alert_history_id
    JOIN agent_devices d ON d.id = h.agent_device_id
    WHERE n.due_at <= :now::timestamptz AND (n.kind = 'resolved' OR COALESCE(h.snoozed_until <= :now, true))
      AND (NOT :is_quiet::boolean OR h.severity = 'critical')
), due AS (
    SELECT n.id
    FROM agent_alert_notifications n JOIN waiting w ON w.id = n.id
    WHERE n.due_at <= :now
    ORDER BY w.turn, n.due_at
    LIMIT :limit
    FOR UPDATE OF n SKIP LOCKED
), claimed AS (
    UPDATE agent_alert_notifications n
    SET due_at = :held_until::timestamptz, attempts = n.attempts + 1
    FROM due d
    WHERE n.id = d.id
    RETURNING n.id, n.kind, n.channel, n.recipient, n.attempts, n.agent_alert_history_id
)
SELECT c.id, c.kind, c.channel, c.recipient, c.attempts, h.id AS alert_id, h.severity, h.alert_message, h.triggered_at,
       h.resolved_at, h.resolved_value, h.metric_value, h.threshold_value, h.instance, a.alert_name, a.alert_type,
       CASE WHEN h.status = 'auto_resolved' THEN h.resolution_notes END AS reason, a.business_id AS owner_id,
       d.id AS agent_id, d.device_name, b.id AS business_id, b.business_name
FROM claimed c
JOIN agent_alert_history h ON h.id = c.agent_alert_history_id
JOIN agent_alerts a ON a.id = h.agent_alert_id
JOIN agent_devices d ON d.id = h.agent_device_id
JOIN businesses b ON b.id = COALESCE(h.former_owner, d.business_id) -- whose device it was then
ORDER BY h.triggered_at, c.id

-- note_sent --
-- Record sent messages; for an alert that ended in the meantime the end is queued for the same recipient.
WITH sent AS (
    UPDATE agent_alert_notifications
    SET sent_at = :now::timestamptz, due_at = NULL, last_error = NULL
    WHERE id = ANY (:notifications::bigint[])
    RETURNING agent_alert_history_id, kind, channel, recipient
), over AS (
    INSERT INTO agent_alert_notifications (agent_alert_history_id, kind, channel, recipient, created_at, due_at)
    SELECT s.agent_alert_history_id, 'resolved', s.channel, s.recipient, :now, :now
    FROM sent s JOIN agent_alert_history h ON h.id = s.agent_alert_history_id
    WHERE s.kind = 'firing' AND h.status NOT IN ('active', 'acknowledged')
    ON CONFLICT DO NOTHING
)
UPDATE agent_alert_history
SET notification_sent = true, notification_sent_at = :now
WHERE id IN (SELECT agent_alert_history_id FROM sent)

-- note_failed --
-- Record failed messages, each with its next time. In parallel :notifications and :retry_at when (null: given up);
-- :error why.
UPDATE agent_alert_notifications n
SET due_at = f.retry_at, last_error = left(:error, 1000)
FROM unnest(:notifications::bigint[], :retry_at::timestamptz[]) AS f (id, retry_at)
WHERE n.id = f.id
