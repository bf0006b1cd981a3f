"""A small real agent: uploads this machine's metrics over HTTP; imports no other package. Open `run.py` first."""
