"""The HTTP server's own concerns: body limits, connection counts, readiness, write batching."""
