"""The demo: everything for real on this machine, with a simulated fleet beside the real agent. Open `run.py` first."""
