"""Alembic revisions: they run the SQL of `db/migrations/sql/` and `db/hypertables/`. Open `run.py` first."""
