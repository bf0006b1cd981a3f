"""The web pages as the server serves them: the static bundle that `web/` builds. Open `app.py` first."""
