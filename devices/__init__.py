"""The device registry: registration, presence, lifecycle, events, audit trail. Open `registration.py` first."""
