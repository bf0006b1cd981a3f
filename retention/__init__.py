"""Retention of levels and records: plans, changes with a grace period, legal holds, the purge; kept in the database."""
