"""Attacks of one tenant on the server's availability for others. Open `attackers.py`."""
