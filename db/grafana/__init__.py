"""The schema that Grafana reads, and the roles that read it."""
