"""What one tenant does to take the server from the others. Open `attackers.py`."""
