"""The registry of devices: tokens and requests come in, devices and their state go out. Open `registration.py` first."""
