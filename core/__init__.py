"""Settings, errors, clock, text rules and the metric catalogue; no database. Open `settings.py` first."""
