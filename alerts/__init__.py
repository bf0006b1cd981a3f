"""Rules in, state changes out: conditions → SQL over samples and rollups → states → alerts and tickets.

Open `conditions.py` for what a rule may say, `compiler.py` for its SQL, `machine.py` for what follows from its answer,
and `evaluate.py` for a pass over all rules.
"""
