"""Charts of a device's past, and the refresh of the rollup levels. Open `history.py` first."""
