"""Alembic revisions: they run the SQL of `db/schema/` and `db/hypertables/`. Open `run.py` first."""
