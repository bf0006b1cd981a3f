"""Rules over the past: backtests, rule tests and late data use one replayer (`replayer.py`)."""
