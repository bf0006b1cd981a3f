"""Tickets in the platform: incidents group alerts (`incidents.py`), the worker opens and closes service requests."""
