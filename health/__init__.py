"""The product's own health: each process's counts and the database in, metrics and faults in words out.

Open `fleet.py` first.
"""
