-- What the worker leaves out for a while, because it fails alone.

-- read_faults --
-- The items of a task that have failed, and whether they are left out still. $1 task, $2 now.
SELECT item, retry_at > $2::timestamptz AS is_held FROM agent_isolated_faults WHERE task = $1

-- note_fault --
-- Again after a delay that doubles. $1 task, $2 item, $3 reason, $4 now, $5 first and $6 longest delay.
INSERT INTO agent_isolated_faults AS f (task, item, reason, first_at, last_at, retry_at)
VALUES ($1, $2, $3, $4::timestamptz, $4, $4 + $5::interval)
ON CONFLICT (task, item) DO UPDATE
SET reason = EXCLUDED.reason, attempts = f.attempts + 1, last_at = EXCLUDED.last_at,
    retry_at = $4 + LEAST($5 * power(2, LEAST(f.attempts, 20)), $6::interval)

-- forget_faults --
-- $1 task, $2 items.
DELETE FROM agent_isolated_faults WHERE task = $1 AND item = ANY ($2::text[])
