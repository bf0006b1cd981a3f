"""Settings, pools, named SQL, errors, migrations; it imports only `core` and `embedded`. Open `settings.py` first."""
