-- The storage values in force.

-- read_values --
SELECT level, keep, refresh_from, version FROM agent_storage_levels
