"""The hypertable and its continuous aggregates as SQL, and all their numbers as one table. Open `policies.py` first."""
