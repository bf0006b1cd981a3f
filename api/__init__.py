"""The HTTP API: composition, access rights, and one router for each subject. Open `app.py` first."""
