"""Settings, pools, named SQL, errors, migrations; it imports nothing of ours. Open `settings.py` first."""
