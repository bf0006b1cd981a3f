"""A small real agent: this machine's metrics in, HTTP uploads out; imports nothing of ours. Open `run.py` first."""
