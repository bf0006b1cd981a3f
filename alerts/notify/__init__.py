"""Notifications: the queue and its retries (`queue.py`), webhooks and e-mail (`channels.py`)."""
