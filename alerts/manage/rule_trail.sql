-- Who made and changed a rule. Employees see all businesses, so the statement takes no tenant.

-- read_rule_trail --
-- The newest changes of a rule. The index by action finds rows of rules alone, which people write.
SELECT trail.id, trail.at, trail.actor_kind, trail.actor_id, agent_person_name(to_jsonb(person)) AS actor_name,
       trail.action, trail.details
FROM agent_audit trail
LEFT JOIN employees person ON person.id = trail.actor_id AND trail.actor_kind = 'employee'
WHERE trail.action = ANY(:actions::text[]) AND trail.details ->> 'rule_id' = :rule_id::uuid::text
ORDER BY trail.id DESC
LIMIT :limit
