"""Maintenance windows and active hours: the times in which a rule does not begin to fire."""
