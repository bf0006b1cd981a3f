"""Every call of the OpenAPI document: who may make it, and the smallest request that fits it."""

from collections.abc import Mapping
from typing import Any, Literal
from uuid import UUID, uuid4

from core.clock import utc_now

Who = Literal["agent", "person", "employee", "registration token", "open", "demo"]
Document = dict[str, Any]

AGENT = "/api/agents/{agent_id}"
COMMAND = f"{AGENT}/commands/{{command_id}}"
RULES = "/api/agents/software-eol"

# agent: the one that the path names. person: an employee, or a user of the device's business. demo: nobody, but in the
# demo on its own machine.
ALERTS, WINDOWS = "/api/agents/alerts", "/api/agents/maintenance-windows"
CONDITION = {"metric": "cpu_percent", "operator": ">", "threshold": 99, "duration_minutes": 10}
WINDOW = {
    "window_name": "patching", "business_id": None, "starts_at": "2026-05-03T00:00:00Z",
    "ends_at": "2026-05-03T01:00:00Z",
}  # fmt: skip
WHO: dict[str, Who] = {
    "GET /api/health": "open",
    "GET /api/health/live": "open",
    "GET /api/health/ready": "open",
    "GET /api/me": "person",
    "POST /api/session": "person",
    "DELETE /api/session": "open",
    "GET /api/session/demo": "demo",
    "POST /api/session/demo": "demo",
    "GET /api/businesses": "person",
    "GET /api/businesses/{business_id}/locations": "person",
    "GET /api/businesses/{business_id}/time-zone": "person",
    "PUT /api/businesses/{business_id}/time-zone": "employee",
    "GET /api/agents/summary": "person",
    "POST /api/agents/register": "registration token",
    "POST /api/agents/registration-tokens": "employee",
    "GET /api/agents/registration-tokens": "employee",
    "GET /api/agents/registration-tokens/{token_id}": "employee",
    "POST /api/agents/registration-tokens/{token_id}/revoke": "employee",
    "POST /api/agents/gateways": "employee",
    "GET /api/agents/gateways": "employee",
    "GET /api/agents/gateways/{gateway_id}": "employee",
    "POST /api/agents/gateways/{gateway_id}/revoke": "employee",
    "GET /api/agents/gateways/{gateway_id}/hosts": "employee",
    "POST /api/agents/gateways/{gateway_id}/hosts/{host_id}/confirm": "employee",
    "POST /api/agents/gateways/{gateway_id}/hosts/{host_id}/refuse": "employee",
    "GET /api/fleet/metrics": "person",
    "POST /api/v1/read": "person",
    "GET /api/views": "person",
    "POST /api/views": "person",
    "DELETE /api/views/{view_id}": "person",
    "GET /api/agents": "person",
    f"GET {AGENT}": "person",
    f"PATCH {AGENT}": "employee",
    f"DELETE {AGENT}": "employee",
    f"POST {AGENT}/activate": "employee",
    f"POST {AGENT}/deactivate": "employee",
    f"POST {AGENT}/decommission": "employee",
    f"POST {AGENT}/restore": "employee",
    f"POST {AGENT}/move": "employee",
    f"GET {AGENT}/audit": "employee",
    f"DELETE {AGENT}/clone-suspicion": "employee",
    f"DELETE {AGENT}/token": "employee",
    f"POST {AGENT}/token/rotation": "employee",
    f"POST {AGENT}/token/rotate": "agent",
    f"POST {AGENT}/heartbeat": "agent",
    f"POST {AGENT}/metrics": "agent",
    f"GET {AGENT}/metrics/history": "person",
    f"GET {AGENT}/annotations": "person",
    f"GET {AGENT}/metrics/series": "person",
    "GET /api/agents/metrics/top": "person",
    f"POST {AGENT}/events": "agent",
    f"GET {AGENT}/events": "person",
    f"GET {AGENT}/services": "person",
    f"PATCH {AGENT}/services/{{service_id}}": "employee",
    f"POST {AGENT}/inventory/software": "agent",
    f"GET {AGENT}/inventory/software": "person",
    f"GET {AGENT}/inventory/software/changes": "person",
    "GET /api/agents/inventory/software": "person",
    f"GET {RULES}": "employee",
    f"POST {RULES}": "employee",
    f"PATCH {RULES}/{{eol_id}}": "employee",
    f"DELETE {RULES}/{{eol_id}}": "employee",
    "GET /api/agents/commands": "person",
    "GET /api/agents/commands/catalog": "employee",
    "GET /api/agents/alerts/history": "person",
    "GET /api/admin/storage": "employee",
    "GET /api/admin/retention": "employee",
    "POST /api/admin/retention/plans": "employee",
    "GET /api/admin/retention/changes": "employee",
    "POST /api/admin/retention/changes": "employee",
    "POST /api/admin/retention/changes/{change_id}/undo": "employee",
    "POST /api/admin/retention/tenants": "employee",
    "POST /api/admin/retention/tenants/plans": "employee",
    "POST /api/admin/retention/holds": "employee",
    "POST /api/admin/retention/holds/{hold_id}/release": "employee",
    "GET /api/admin/erasures": "employee",
    "POST /api/admin/erasures": "employee",
    "POST /api/admin/erasures/counts": "employee",
    "POST /api/admin/erasures/{erasure_id}/cancel": "employee",
    "GET /api/admin/audit": "employee",
    "GET /api/admin/audit/export": "employee",
    "GET /api/agents/metrics/catalog": "person",
    "GET /api/agents/metrics/export": "person",
    "POST /api/agents/commands": "employee",
    "POST /api/agents/commands/batches/{batch_id}/approve": "employee",
    "POST /api/agents/commands/batches/{batch_id}/cancel": "employee",
    f"POST {AGENT}/commands": "employee",
    f"GET {AGENT}/commands": "agent",
    f"GET {AGENT}/commands/history": "person",
    f"GET {COMMAND}": "person",
    f"POST {COMMAND}/approve": "employee",
    f"POST {COMMAND}/cancel": "employee",
    f"POST {COMMAND}/started": "agent",
    f"POST {COMMAND}/progress": "agent",
    f"POST {COMMAND}/result": "agent",
    f"GET {AGENT}/alerts": "person",
    f"GET {ALERTS}/open": "person",
    f"GET {ALERTS}/history": "person",
    f"POST {ALERTS}/bulk": "employee",
    f"GET {ALERTS}": "employee",
    f"POST {ALERTS}": "employee",
    f"POST {ALERTS}/defaults": "employee",
    f"POST {ALERTS}/backtest": "employee",
    f"GET {ALERTS}/{{rule_id}}": "employee",
    f"PATCH {ALERTS}/{{rule_id}}": "employee",
    f"DELETE {ALERTS}/{{rule_id}}": "employee",
    f"POST {ALERTS}/{{rule_id}}/enable": "employee",
    f"POST {ALERTS}/{{rule_id}}/disable": "employee",
    f"GET {ALERTS}/{{rule_id}}/changes": "employee",
    f"GET {ALERTS}/{{rule_id}}/transitions": "employee",
    f"POST {ALERTS}/history/{{history_id}}/acknowledge": "employee",
    f"POST {ALERTS}/history/{{history_id}}/resolve": "employee",
    f"POST {ALERTS}/history/{{history_id}}/snooze": "employee",
    f"GET {WINDOWS}": "person",
    f"POST {WINDOWS}": "employee",
    f"GET {WINDOWS}/{{window_id}}": "person",
    f"PUT {WINDOWS}/{{window_id}}": "employee",
    f"DELETE {WINDOWS}/{{window_id}}": "employee",
}  # fmt: skip


def least_bodies() -> dict[str, dict[str, Any]]:
    """Return bodies whose schema can't say what is the least of them, or whose example would reach beyond a test."""
    return {
        f"PATCH {AGENT}/services/{{service_id}}": {"should_be_running": False},
        f"POST {AGENT}/inventory/software": {"software": []},
        f"POST {RULES}": {"software_name": f"{uuid4()}", "eol_date": "2030-01-01"},
        f"PATCH {RULES}/{{eol_id}}": {"note": "changed"},
        f"POST {ALERTS}": {"alert_name": "x", "severity": "info", "business_id": None, "conditions": CONDITION},
        f"PATCH {ALERTS}/{{rule_id}}": {"description": "changed"},
        f"POST {ALERTS}/backtest": {"business_id": None, "conditions": CONDITION, "days": 1},
        f"POST {WINDOWS}": WINDOW,
        f"PUT {WINDOWS}/{{window_id}}": WINDOW,
    }


def calls_of(document: Document) -> dict[str, dict[str, Any]]:
    """Return the calls of a document by method and path."""
    return {
        f"{method.upper()} {path}": call
        for path, methods in document["paths"].items()
        for method, call in methods.items()
    }


def parameters_of(call: dict[str, Any], place: Literal["path", "query"]) -> dict[str, dict[str, Any]]:
    """Return a call's parameters of one kind by name."""
    return {parameter["name"]: parameter for parameter in call.get("parameters", []) if parameter["in"] == place}


def request_of(document: Document, key: str, ids: Mapping[str, Any]) -> dict[str, Any]:
    """Return the smallest request of a call, for httpx; `ids` go wherever a parameter or a field has their name."""
    method, path = key.split(" ")
    call = calls_of(document)[key]
    query = {
        name: filled_in(name, example_of(parameter["schema"], document), ids)
        for name, parameter in parameters_of(call, "query").items()
        if parameter["required"]
    }
    content = call.get("requestBody", {}).get("content", {}).get("application/json")
    body = None
    if content:
        body = least_bodies().get(key) or content.get("example") or example_of(content["schema"], document)
    url = path.format_map({name: ids.get(name) or uuid4() for name in parameters_of(call, "path")})
    return {"method": method, "url": url, "params": query, "json": filled_in("", body, ids)}


def example_of(schema: dict[str, Any], document: Document) -> Any:
    """Return a value that fits a schema: its example, else what it requires and no more."""
    if "$ref" in schema:
        return example_of(document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]], document)
    for given in ("examples", "enum"):
        if given in schema:
            return schema[given][0]
    if "anyOf" in schema:
        return example_of(schema["anyOf"][0], document)
    kind = schema.get("type")
    if kind == "object":
        return {name: example_of(schema["properties"][name], document) for name in schema.get("required", [])}
    if kind == "array":
        return [example_of(schema["items"], document)] * schema.get("minItems", 0)
    return plain_example_of(schema)


def plain_example_of(schema: dict[str, Any]) -> Any:
    """Return a text, number or boolean that fits a schema."""
    now = utc_now()
    if schema.get("type") == "string":
        examples = {"uuid": str(uuid4()), "date-time": now.isoformat(), "date": now.date().isoformat()}
        return examples.get(schema.get("format", ""), "x" * max(1, schema.get("minLength", 1)))
    return {"integer": schema.get("minimum", 1), "number": schema.get("minimum", 1)}.get(schema.get("type", ""), False)


def filled_in(name: str, value: Any, ids: Mapping[str, Any]) -> Any:
    """Return `value` with every id put where its name stands."""
    if name in ids:
        return str(ids[name]) if isinstance(ids[name], UUID) else ids[name]
    if isinstance(value, dict):
        return {key: filled_in(key, inner, ids) for key, inner in value.items()}
    return value
