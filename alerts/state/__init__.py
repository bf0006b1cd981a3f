"""The alert state machine and the evaluation pass. Open `evaluate.py` first, `machine.py` for the states."""
