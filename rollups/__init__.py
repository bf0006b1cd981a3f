"""A question about a device's past in, chart points out; and what keeps the levels fresh. Open `history.py` first."""
