"""Uploads of other agents: Influx line protocol, OTLP, Prometheus remote write, collectd. Open `readings.py` first."""
