"""What is compared after a run: accounting, conservation, rollups, latencies."""
