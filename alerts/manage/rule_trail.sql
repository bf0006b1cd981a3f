-- Who made and changed a rule. Employees see all businesses, so the statement takes no tenant.

-- read_rule_trail --
-- The newest changes of a rule. The index by action finds rows of rules alone, which people write. $1 rule, $2 actions,
-- $3 rows.
SELECT trail.id, trail.at, trail.actor_kind, trail.actor_id, person.actor_name, trail.action, trail.details
FROM agent_audit trail
LEFT JOIN LATERAL (
    SELECT COALESCE(NULLIF(concat_ws(' ', p.found ->> 'first_name', p.found ->> 'last_name'), ''),
                    p.found ->> 'name', p.found ->> 'email') AS actor_name
    FROM (SELECT to_jsonb(e) AS found FROM employees e WHERE e.id = trail.actor_id) p
    WHERE trail.actor_kind = 'employee'
) person ON true
WHERE trail.action = ANY($2::text[]) AND trail.details ->> 'rule_id' = $1::uuid::text
ORDER BY trail.id DESC
LIMIT $3
