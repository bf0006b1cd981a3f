"""Which paths are uploads of other agents, and in which protocol.

Below `/api/agents/{id}`, and bare: most clients append their own path to a base address. The token names the device.
"""

import re
from enum import StrEnum


class Call(StrEnum):
    """The kind of a request."""

    INFLUX_WRITE = "influx_write"
    INFLUX_WRITE_3 = "influx_write_3"
    INFLUX_PING = "influx_ping"
    INFLUX_HEALTH = "influx_health"
    INFLUX_QUERY = "influx_query"
    OTLP = "otlp"
    OTLP_OTHER = "otlp_other"  # traces and logs: not taken
    REMOTE_WRITE = "remote_write"
    COLLECTD = "collectd"


AGENT = re.compile(r"/api/agents/([^/]+)(?:/influx|/otlp|/prometheus)?(/.+)")
CALLS = {
    "/write": Call.INFLUX_WRITE,
    "/api/v2/write": Call.INFLUX_WRITE,
    "/api/v3/write_lp": Call.INFLUX_WRITE_3,
    "/ping": Call.INFLUX_PING,
    "/health": Call.INFLUX_HEALTH,
    "/query": Call.INFLUX_QUERY,
    "/v1/metrics": Call.OTLP,
    "/v1/traces": Call.OTLP_OTHER,
    "/v1/logs": Call.OTLP_OTHER,
    "/api/v1/write": Call.REMOTE_WRITE,
    "/collectd": Call.COLLECTD,
}
METHODS = {
    Call.INFLUX_PING: {"GET", "HEAD"}, Call.INFLUX_HEALTH: {"GET", "HEAD"}, Call.INFLUX_QUERY: {"GET", "POST"},
}  # fmt: skip


def match_call(method: str, path: str) -> tuple[Call, str | None] | None:
    """Return the call of a request and the agent of its path (None: that of the token); None for other requests."""
    below = AGENT.fullmatch(path)
    agent_id = below[1] if below else None
    call = CALLS.get(below[2] if below else path)
    if below and path == f"/api/agents/{agent_id}/prometheus/write":
        call = Call.REMOTE_WRITE
    if call is None or method not in METHODS.get(call, {"POST"}):
        return None
    return call, agent_id
