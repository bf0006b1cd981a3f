-- A gateway may read its business's fleet, where an employee allows it.

-- gateways_may_read --
ALTER TABLE agent_gateways ADD COLUMN may_read boolean NOT NULL DEFAULT false
