"""A question about a device's past comes in, chart points go out; policies keep the levels fresh. Open `history.py` first."""
