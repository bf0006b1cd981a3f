-- Registration tokens, their settings and their devices. The token itself is never stored, only its hash.

-- list_tokens --
-- Tokens, newest first. :token_id (null: all), :now, :state (null: all), :business_id (null: all), :after_time and
-- :after_id time and id of the last token of the page before (null: the first page), :limit.
SELECT t.*, b.business_name, l.location_name, d.hostname, d.os_type, d.enrolled_at AS first_heartbeat_at,
       s.first_sample_at
FROM (
    SELECT t.id, t.business_id, t.service_location_id, t.device_name, t.created_at, t.expires_at, t.created_by_name,
           t.used_at AS spent_at, COALESCE(t.agent_device_id, t.for_device_id) AS agent_id,
           CASE WHEN t.used_at IS NOT NULL THEN 'spent' WHEN t.revoked_at IS NOT NULL THEN 'revoked'
                WHEN t.expires_at <= :now::timestamptz THEN 'expired' ELSE 'open' END AS state
    FROM agent_registration_tokens t
) t
JOIN businesses b ON b.id = t.business_id
LEFT JOIN service_locations l ON l.id = t.service_location_id
LEFT JOIN agent_devices d ON d.id = t.agent_id AND t.spent_at IS NOT NULL AND NOT d.soft_delete
LEFT JOIN LATERAL (
    SELECT min(m.collected_at) AS first_sample_at
    FROM agent_metrics m
    WHERE m.agent_device_id = d.id AND m.collected_at > t.spent_at - interval '1 day'
      AND t.spent_at > :now - interval '2 days'
) s ON true
WHERE (:token_id::uuid IS NULL OR t.id = :token_id) AND (:state::text IS NULL OR t.state = :state)
  AND (:business_id::uuid IS NULL OR t.business_id = :business_id)
  AND (:after_time::timestamptz IS NULL OR (t.created_at, t.id) < (:after_time, :after_id::uuid))
ORDER BY t.created_at DESC, t.id DESC
LIMIT :limit

-- revoke_token --
-- Revoke a token that was not spent, and note who did it; no row for another one.
WITH revoked AS (
    UPDATE agent_registration_tokens SET revoked_at = COALESCE(revoked_at, :now)
    WHERE id = :token_id AND used_at IS NULL
    RETURNING id, business_id, for_device_id, device_name
), audited AS (
    {audit}
    SELECT :now, {actor}, 'registration_token_revoked', for_device_id,
           jsonb_build_object('business_id', business_id, 'device_name', device_name)
    FROM revoked
)
SELECT id FROM revoked
