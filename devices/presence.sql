-- Presence: the worker moves devices that fall silent from online to warning to offline, and removes those that
-- registered and had no contact. Uploads and heartbeats bring a device back themselves.

-- note_outage --
-- Note in agent_presence that no device had contact for a while although many of several businesses were due, or many
-- of several sites whose last contacts lie within one interval of each other: then the outage is on the server's
-- side. Reads nothing unless a device is due or it was so at the last look, and little unless it is so. Returns a row
-- when it is, with `known_until`: until when it was known before. :now, :unheard_for how long no device had contact,
-- :heartbeat_interval, :min_devices how many devices must be expected that often.
WITH outage AS (
    SELECT one, deaf_until
    FROM agent_presence
    WHERE CASE
        WHEN COALESCE(deaf_until <= :now::timestamptz - :unheard_for::interval, true) -- it isn't so just now
             AND NOT EXISTS (SELECT FROM agent_devices WHERE status_due_at <= :now) THEN false
        WHEN EXISTS (SELECT FROM agent_devices
                     WHERE status_due_at IS NOT NULL
                       AND (last_heartbeat > :now - :unheard_for::interval
                            OR last_metrics_received > :now - :unheard_for::interval)) THEN false
        ELSE (SELECT (count(*) >= :min_devices AND count(DISTINCT business_id) > 1)
                     OR (count(*) FILTER (WHERE together) >= :min_devices
                         AND count(DISTINCT (business_id, service_location_id)) FILTER (WHERE together) > 1)
              FROM (SELECT d.business_id, d.service_location_id,
                           GREATEST(d.last_heartbeat, d.last_metrics_received)
                           >= max(GREATEST(d.last_heartbeat,
                                           d.last_metrics_received)) OVER () - :heartbeat_interval::interval AS together
                    FROM agent_devices d
                    WHERE d.status_due_at IS NOT NULL
                      AND (d.last_heartbeat IS NOT NULL
                           OR d.metrics_interval_seconds * interval '1 second' <= :heartbeat_interval::interval)
                  ) expected)
        END
    FOR UPDATE
)
UPDATE agent_presence p
SET deaf_until = :now
FROM outage f
WHERE p.one = f.one
RETURNING f.deaf_until AS known_until

-- due_devices --
-- The devices whose time has come. :postponed all but these, :now, :limit.
SELECT id FROM agent_devices WHERE status_due_at <= :now::timestamptz
  AND id <> ALL (:postponed::uuid[]) ORDER BY status_due_at LIMIT :limit

-- sweep --
-- Check the devices that are due, by their last contact, and set when each is due next; null when silence can't
-- change it any more. SKIP LOCKED: two workers never judge the same device. Returns how many were judged and how many
-- changed. A device that sends heartbeats is expected as often as these, else as often as its uploads. :now,
-- :heartbeat_interval, :warning_after and :offline_after intervals of silence that are a warning and mean offline,
-- :limit, :only these (or null).
WITH due AS (
    SELECT id, status, reported_status,
           GREATEST(last_heartbeat, last_metrics_received) AS heard_at,
           CASE WHEN last_heartbeat IS NULL THEN metrics_interval_seconds * interval '1 second'
                ELSE :heartbeat_interval::interval END AS every
    FROM agent_devices
    WHERE status_due_at <= :now AND (:only::uuid[] IS NULL OR id = ANY (:only))
    ORDER BY status_due_at
    LIMIT :limit
    FOR NO KEY UPDATE SKIP LOCKED
), silent AS (
    SELECT d.*, GREATEST(d.heard_at, p.deaf_until) + d.every * :warning_after::float8 AS warning_at,
           GREATEST(d.heard_at, p.deaf_until) + d.every * :offline_after::float8 AS offline_at
    FROM due d CROSS JOIN agent_presence p
), judged AS (
    SELECT *, CASE WHEN status = 'disabled' THEN status
                   WHEN heard_at IS NULL OR offline_at <= :now THEN 'offline'
                   WHEN warning_at <= :now THEN 'warning'
                   ELSE reported_status END AS new_status
    FROM silent
), swept AS (
    UPDATE agent_devices d
    SET status = j.new_status,
        status_changed_at = CASE WHEN j.new_status <> j.status THEN :now ELSE d.status_changed_at END,
        status_due_at = CASE WHEN j.new_status IN ('disabled', 'offline') THEN NULL
                             WHEN j.warning_at <= :now THEN j.offline_at
                             ELSE j.warning_at END
    FROM judged j
    WHERE d.id = j.id
    RETURNING d.id, j.status AS was, j.new_status, j.heard_at
), events AS (
    INSERT INTO agent_events (agent_device_id, event_type, occurred_at, received_at, data)
    SELECT id, 'status_changed', :now, :now,
           jsonb_build_object('from', was, 'to', new_status)
           || CASE WHEN new_status IN ('warning', 'offline')
                   THEN jsonb_build_object('why', 'it fell silent', 'silent_since', heard_at)
                   ELSE '{"why": "it is expected less often now"}' END
    FROM swept WHERE new_status <> was
)
SELECT count(*) AS judged, count(*) FILTER (WHERE new_status <> was) AS changed
FROM swept

-- due_enrolments --
-- The devices that never had contact. :postponed all but these, :now, :within the time limit for it, :limit.
SELECT id FROM agent_devices
WHERE enrolled_at IS NULL AND agent_token IS NOT NULL AND NOT soft_delete AND last_heartbeat IS NULL
  AND last_metrics_received IS NULL AND created_at <= :now::timestamptz - :within::interval
    AND updated_at <= :now - :within
  AND is_active AND id <> ALL (:postponed::uuid[])
ORDER BY created_at
LIMIT :limit

-- lapse_enrolments --
-- Remove devices that registered, have a token and never had contact, and make the registration token that each came
-- with usable again, if it has not expired: the same install command works once more. Returns how many there were.
-- :now, :within time in which a device must be heard, :limit, :actor_kind, :actor_id, :actor_source, :only these (or
-- null).
WITH lapsed AS (
    SELECT id
    FROM agent_devices
    WHERE (:only::uuid[] IS NULL OR id = ANY (:only)) AND enrolled_at IS NULL AND agent_token IS NOT NULL
      AND NOT soft_delete
      AND last_heartbeat IS NULL AND last_metrics_received IS NULL
      AND created_at <= :now::timestamptz - :within::interval
      AND updated_at <= :now - :within AND is_active -- one that was restored and registered again has its time too
    ORDER BY created_at
    LIMIT :limit
    FOR UPDATE SKIP LOCKED
), removed AS (
    UPDATE agent_devices d
    SET soft_delete = true, deleted_at = :now, updated_at = :now, status_due_at = NULL, rotation_requested_at = NULL,
        agent_token = NULL, previous_agent_token = NULL, previous_token_until = NULL
    FROM lapsed l
    WHERE d.id = l.id
    RETURNING d.id
), freed AS (
    UPDATE agent_registration_tokens t
    SET used_at = NULL, agent_device_id = NULL
    FROM removed r
    WHERE t.agent_device_id = r.id AND t.expires_at > :now
    RETURNING r.id
), events AS (
    INSERT INTO agent_events (agent_device_id, event_type, occurred_at, received_at, data)
    SELECT id, 'enrolment_lapsed', :now, :now, '{}' FROM removed
), audited AS (
    {audit}
    SELECT :now, {actor}, 'enrolment_lapsed', r.id,
           jsonb_build_object('registration_token_usable', EXISTS (SELECT FROM freed f WHERE f.id = r.id))
    FROM removed r
)
SELECT count(*) AS lapsed
FROM removed
