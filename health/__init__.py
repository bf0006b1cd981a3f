"""The product's own health: reads counters of processes and the database, gives metrics and faults in sentences.

Open `fleet.py` first.
"""
