-- The storage values in force.

-- read_values --
SELECT level, keep, refresh_from, version FROM agent_storage_levels

-- read_tenants --
-- Levels of single businesses: `keep` in force (null: as for all), `former_keep` what must not be deleted yet.
SELECT business_id, level, keep, former_keep FROM agent_tenant_ages
