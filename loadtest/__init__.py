"""Benchmarks and load scenarios: each figure measured in one run, with its settings. Open `bench.py` or `run.py`."""
