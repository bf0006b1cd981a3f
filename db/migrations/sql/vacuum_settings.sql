-- When autovacuum comes to the tables that every upload updates.

-- devices_less_often --
-- An update there stays on its page, and the next one clears it up: there is little for a vacuum to do. At the usual
-- settings (a fifth and a tenth of the rows changed) it came each minute all the same, read the whole table and all its
-- indexes, and for these seconds uploads waited for the CPU. Nothing that the planner needs changes as fast.
ALTER TABLE agent_devices SET (autovacuum_vacuum_scale_factor = 2, autovacuum_analyze_scale_factor = 5);

-- services_less_often --
-- As above: an upload updates the row of each of its services.
ALTER TABLE agent_monitored_services SET (autovacuum_vacuum_scale_factor = 2, autovacuum_analyze_scale_factor = 5)
