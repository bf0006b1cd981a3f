"""Commands to devices: orders and approval (`orders.py`), lease, progress and results (`delivery.py`)."""
