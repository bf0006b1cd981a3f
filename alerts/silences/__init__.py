"""Maintenance windows and active hours: when a rule does not apply."""
