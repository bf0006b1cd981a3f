-- Items that the worker postpones because they fail alone.

-- read_faults --
-- The items of a task that have failed, and whether they are left out still.
SELECT item, retry_at > :now::timestamptz AS is_held FROM agent_isolated_faults WHERE task = :task

-- note_fault --
-- Again after a delay that doubles. :task, :item, :reason, :now, :first_delay first and :longest_delay.
INSERT INTO agent_isolated_faults AS f (task, item, reason, first_at, last_at, retry_at)
VALUES (:task, :item, :reason, :now::timestamptz, :now, :now + :first_delay::interval)
ON CONFLICT (task, item) DO UPDATE
SET reason = EXCLUDED.reason, attempts = f.attempts + 1, last_at = EXCLUDED.last_at,
    retry_at = :now + LEAST(:first_delay * power(2, LEAST(f.attempts, 20)), :longest_delay::interval)

-- forget_faults --
DELETE FROM agent_isolated_faults WHERE task = :task AND item = ANY (:items::text[])
