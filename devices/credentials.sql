-- The tokens of a device: asked to change, changed by its agent, revoked. Every change leaves a row in agent_audit.

-- request_rotation --
-- Ask the agent to rotate its token: the answer to its next heartbeat has `rotate_token`. `has_token` is false when
-- there is no agent to ask.
WITH before AS (
    SELECT id, agent_token IS NOT NULL AS has_token, rotation_requested_at
    FROM agent_devices WHERE id = :device_id AND NOT soft_delete FOR NO KEY UPDATE
), changed AS (
    UPDATE agent_devices d
    SET rotation_requested_at = :now, updated_at = :now
    FROM before b
    WHERE d.id = b.id AND b.has_token AND b.rotation_requested_at IS NULL
    RETURNING d.id
), audited AS (
    {audit}
    SELECT :now, {actor}, 'token_rotation_requested', id, '{}' FROM changed
)
SELECT id, has_token FROM before

-- rotate_token --
-- Give the agent that calls a new token. The one that it called with stays good until the new one is used, and a
-- while longer. Called with the previous one, the answer of the last call was lost: the token that nobody has seen is
-- replaced. After the new one was used, the previous one cannot replace it any more (`superseded`). No row
-- when the token is refused. :called_with hash of the token that the agent calls with, :new_hash hash of the new one.
WITH before AS (
    SELECT id, rotation_requested_at IS NOT NULL AS was_asked, agent_token = :called_with AS by_current,
           agent_token <> :called_with AND previous_token_until IS NOT NULL AS superseded
    FROM agent_devices
    WHERE id = :device_id AND is_active AND NOT soft_delete
      AND (agent_token = :called_with OR (previous_agent_token = :called_with
        AND COALESCE(:now < previous_token_until, true)))
    FOR NO KEY UPDATE
), events AS ( -- nobody asked for it: somebody may have copied the token
    INSERT INTO agent_events (agent_device_id, event_type, occurred_at, received_at, data)
    SELECT id, 'token_rotated_unasked', :now, :now, jsonb_build_object('from', host(:actor_source::inet))
    FROM before WHERE by_current AND NOT was_asked
), changed AS (
    UPDATE agent_devices d
    SET agent_token = :new_hash, previous_agent_token = :called_with, previous_token_until = NULL,
        rotation_requested_at = NULL,
        updated_at = :now
    FROM before b
    WHERE d.id = b.id AND NOT b.superseded
    RETURNING d.id, b.by_current
), audited AS (
    {audit}
    SELECT :now, {actor}, 'token_rotated', id,
           jsonb_build_object('answer_was_lost', NOT by_current)
    FROM changed
)
SELECT superseded FROM before

-- revoke_token --
-- Forget a device's tokens, so that nothing signed for it is taken any more.
WITH before AS (
    SELECT id, agent_token FROM agent_devices WHERE id = :device_id AND NOT soft_delete FOR NO KEY UPDATE
), changed AS (
    UPDATE agent_devices d
    SET agent_token = NULL, previous_agent_token = NULL, previous_token_until = NULL, rotation_requested_at = NULL,
        updated_at = :now
    FROM before b
    WHERE d.id = b.id AND b.agent_token IS NOT NULL
    RETURNING d.id
), audited AS (
    {audit}
    SELECT :now, {actor}, 'token_revoked', id, '{}' FROM changed
)
SELECT id FROM before
