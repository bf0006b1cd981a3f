-- Registration tokens as employees see them: what they are for, and what came of them. The token itself is never stored.

-- list_tokens --
-- Tokens, newest first. $1 id (null: all), $2 now, $3 state (null: all), $4 business (null: all), $5 and $6 time and id of the
-- last token of the page before (null: the first page), $7 tokens on a page.
SELECT t.*, b.business_name, l.location_name, d.hostname, d.os_type, d.enrolled_at AS first_heartbeat_at, s.first_sample_at
FROM (
    SELECT t.id, t.business_id, t.service_location_id, t.device_name, t.created_at, t.expires_at, t.created_by_name,
           t.used_at AS spent_at, COALESCE(t.agent_device_id, t.for_device_id) AS agent_id,
           CASE WHEN t.used_at IS NOT NULL THEN 'spent' WHEN t.revoked_at IS NOT NULL THEN 'revoked'
                WHEN t.expires_at <= $2::timestamptz THEN 'expired' ELSE 'open' END AS state
    FROM agent_registration_tokens t
) t
JOIN businesses b ON b.id = t.business_id
LEFT JOIN service_locations l ON l.id = t.service_location_id
LEFT JOIN agent_devices d ON d.id = t.agent_id AND t.spent_at IS NOT NULL AND NOT d.soft_delete
LEFT JOIN LATERAL (
    SELECT min(m.collected_at) AS first_sample_at
    FROM agent_metrics m
    WHERE m.agent_device_id = d.id AND m.collected_at > t.spent_at - interval '1 day' AND t.spent_at > $2 - interval '2 days'
) s ON true
WHERE ($1::uuid IS NULL OR t.id = $1) AND ($3::text IS NULL OR t.state = $3) AND ($4::uuid IS NULL OR t.business_id = $4)
  AND ($5::timestamptz IS NULL OR (t.created_at, t.id) < ($5, $6::uuid))
ORDER BY t.created_at DESC, t.id DESC
LIMIT $7

-- revoke_token --
-- Revoke a token that was not spent, and note who did it; no row for another one. $1 id, $2 now, $3 kind of actor, $4 employee,
-- $5 address.
WITH revoked AS (
    UPDATE agent_registration_tokens SET revoked_at = COALESCE(revoked_at, $2)
    WHERE id = $1 AND used_at IS NULL
    RETURNING id, business_id, for_device_id, device_name
), audited AS (
    INSERT INTO agent_audit (at, actor_kind, actor_id, source, action, agent_device_id, details)
    SELECT $2, $3, $4, $5::inet, 'registration_token_revoked', for_device_id,
           jsonb_build_object('business_id', business_id, 'device_name', device_name)
    FROM revoked
)
SELECT id FROM revoked
