"""Hypertables and continuous aggregates as first created, and their numbers as a table. Open `policies.py` first."""
