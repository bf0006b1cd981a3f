"""The registry of devices: tokens and requests in, devices and their state out. Open `registration.py` first."""
