"""Random bodies for every call that a device makes."""
