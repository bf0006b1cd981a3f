"""Rules in, state changes out: conditions → SQL over samples and rollups → states → alerts and tickets.

Open `rules/conditions.py` for the conditions of a rule, `query/compiler.py` for their SQL, `state/machine.py` for the
states, and `state/evaluate.py` for a pass over all rules.
"""
