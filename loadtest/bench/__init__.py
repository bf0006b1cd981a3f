"""Benchmarks, each a ratio measured in one run (`make bench`): `__main__.py` lists them, `report.py` keeps results."""
