"""A small real agent: this machine's metrics in, HTTP uploads out; imports no other package. Open `run.py` first."""
