"""How long levels and records are kept: plans, changes with a grace, legal holds, the purge. All is in the database."""
