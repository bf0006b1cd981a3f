"""Comparisons after a run: accounting, conservation, rollups, latencies."""
