"""What must hold for the embedded TimescaleDB, shown on the real server; open `test_drivers.py` first."""
