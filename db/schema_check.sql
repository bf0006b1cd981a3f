-- Which revision of ours is applied.

-- read_revision --
SELECT version_num FROM rts_agents_alembic_version
