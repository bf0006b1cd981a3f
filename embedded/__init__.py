"""A data directory comes in, a DSN of a running TimescaleDB goes out; open `server.py`, then `server.mjs`."""
