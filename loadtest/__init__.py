"""Benchmarks, and later load scenarios: each figure measured in one run, with its settings. Open `bench.py`."""
