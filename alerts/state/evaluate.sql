-- begin_pass --
-- Take the turn for an evaluation of :now; no row if another worker has it or that instant was evaluated. After
-- :away_after without an evaluation the server was down: `resumed_at` is when it returned. Returns the time until
-- which silence is the server's own.
WITH turn AS (
    SELECT p.one, p.at
    FROM agent_alert_passes p
    WHERE pg_try_advisory_xact_lock(hashtext('rts-agents alert pass')) AND (p.at IS NULL OR p.at < :now::timestamptz)
    FOR UPDATE
), begun AS (
    UPDATE agent_alert_passes p
    SET at = :now, resumed_at = CASE WHEN t.at < :now - :away_after::interval THEN :now ELSE p.resumed_at END
    FROM turn t
    WHERE p.one = t.one
    RETURNING p.resumed_at
)
SELECT GREATEST(b.resumed_at, (SELECT deaf_until FROM agent_presence)) AS unsure_until
FROM begun b

-- plan_for_fleets --
-- For this transaction: pairs of rules and devices are joined in memory and by hashing. The planner cannot estimate the
-- number of pairs and would use a nested loop, as for ten, over ten thousand times ten thousand. Constant bounds
-- exclude chunks when a statement is planned; to exclude them again for each device takes longer than its scan.
SELECT set_config('work_mem', '64MB', true), set_config('enable_nestloop', 'off', true),
       set_config('timescaledb.enable_runtime_exclusion', 'off', true)

-- bound_waits --
-- For this transaction: a row that another program keeps locked is an error of the change that waits for it.
SELECT set_config('lock_timeout', '2s', true)

-- end_pass --
-- Store the duration of a pass.
UPDATE agent_alert_passes SET seconds = :seconds, statements = :statements, rules = :rules, changed = :changes

-- read_states --
-- The states of rules on devices and on their instances: whether the device has changed hands since, and whether it
-- sends nothing of that instance any more; :rules.
SELECT a.agent_alert_id, a.agent_device_id, a.instance, a.state, a.since,
       a.reason = 'moved to another business' AS has_moved,
       a.instance <> ''
       AND EXISTS (SELECT FROM agent_series s WHERE s.agent_device_id = a.agent_device_id AND s.instance = a.instance)
       AND NOT EXISTS (SELECT FROM agent_series s
                       WHERE s.agent_device_id = a.agent_device_id AND s.instance = a.instance AND s.gone_at IS NULL)
       AS is_gone
FROM agent_alert_states a
WHERE a.agent_alert_id = ANY (:rules::uuid[])
