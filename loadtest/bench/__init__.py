"""Benchmarks, each as a ratio measured in one run: `make bench`. Start with `__main__.py`; `report.py` writes results."""
