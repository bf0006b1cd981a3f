"""Settings, pools, named SQL, errors and migrations come from here; nothing of ours is imported. Open `settings.py` first."""
