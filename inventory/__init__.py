"""Software inventory, end-of-life rules, service settings. Open `software.py` first."""
