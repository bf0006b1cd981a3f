"""The OpenAPI document of FastAPI, with the upload route added, which FastAPI does not serve."""

from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from core.metrics import METRICS
from ingest.samples import Envelope, Receipt

UPLOAD = "/api/agents/{agent_id}/metrics"
TOO_LARGE = "the body is over 256 KiB; on the paths of software lists and of results, over 4 MiB"
ERROR_FORM = {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorAnswer"}}}
DESCRIPTION = """\
Uploads of agents in, history of devices out. Times are RFC 3339 in UTC, sizes in gigabytes or bytes as named,
percentages in 0..100. Errors: `{"error": {"code", "message", "details"}}` with a stable code.

People call with a platform token as bearer, or, in a browser, with the cookie of `POST /api/session`. A call by cookie
that changes something needs the header `X-RTS-Request: 1` and our own `Origin` (403 `cross_site`). Answers to GET over
4 KB are compressed on `Accept-Encoding: gzip` and carry an `ETag`.
"""
EXAMPLE = {
    "metrics": [
        {
            "collected_at": "2026-05-03T14:05:00Z", "cpu_percent": 12.5, "memory_used_gb": 6.1, "memory_percent": 38.2,
            "disk_used_gb": 120.4, "disk_percent": 47.0, "load_average": [0.4, 0.5, 0.6], "uptime_seconds": 86400,
            "network_rx_bytes": 123456789, "network_tx_bytes": 98765432,
            "services": [{"name": "nginx", "status": "running", "pid": 812}],
            "disks": [{"name": "C:", "type": "NTFS", "percent": 47.0, "used_bytes": 120400000000}],
            "interfaces": [{"name": "eth0", "rx_bytes": 123456789, "tx_bytes": 98765432}],
            "sensors": [{"name": "cpu", "celsius": 54.5}],
            "series": [{"metric": "custom.queue_length", "instance": "mail", "value": 3, "unit": "messages"}],
        }
    ]
}  # fmt: skip
REFUSALS = {
    "400": "the body is not JSON (`malformed_json`, with the position) or its gzip is broken (`bad_gzip`)",
    "401": "no token, or an invalid or revoked one",
    "403": "the token of another agent",
    "413": "the body, unpacked, or the number of samples is over the limit",
    "415": "a Content-Encoding other than gzip",
    "422": "the body is not {metrics: […]}, or the database refused its values",
    "429": "too many calls of this agent or its business: send it again after Retry-After seconds",
    "503": "nothing was stored: send it again after Retry-After seconds",
}


def describe(web: FastAPI) -> None:
    """Make `web` answer /openapi.json with the whole API."""

    def openapi() -> dict[str, Any]:
        if not web.openapi_schema:
            document = get_openapi(
                title=web.title,
                version=web.version,
                description=DESCRIPTION,
                routes=web.routes,
                tags=web.openapi_tags,
            )
            add_bounds(document)
            add_upload(document)
            web.openapi_schema = document
        return web.openapi_schema

    web.openapi = openapi  # type: ignore[method-assign]


def add_bounds(document: dict[str, Any]) -> None:
    """Add the error of a too large body to each call with a body; `web_bodies.py` raises it before FastAPI."""
    for methods in document["paths"].values():
        for call in methods.values():
            if "requestBody" in call:
                call["responses"]["413"] = {"description": TOO_LARGE, "content": ERROR_FORM}


def add_upload(document: dict[str, Any]) -> None:
    """Add the path of uploads, from the types that decode them."""
    (body, receipt), types = msgspec.json.schema_components(
        [Envelope, Receipt], ref_template="#/components/schemas/{name}"
    )
    for metric in METRICS:
        if metric.name in types["Sample"]["properties"]:
            types["Sample"]["properties"][metric.name]["description"] = f"{metric.unit}, 0..{metric.maximum:g}"
    document["components"]["schemas"] |= types
    errors = {status: {"description": text, "content": ERROR_FORM} for status, text in REFUSALS.items()}
    document["paths"][UPLOAD] = {
        "post": {
            "tags": ["metrics"],
            "summary": "Upload samples",
            "description": (
                "Several samples at once; gzip allowed. Answered after COMMIT. Fields beyond the known ones are kept "
                "in raw_metrics. A fault costs only its own part: a value becomes null and is listed in `notes` "
                "with index, field and code; a sample without a usable time is listed in `rejected`. A sample that is "
                "there already counts as duplicate, so an upload can be sent again."
            ),
            "operationId": "upload_metrics",
            "security": [{"HTTPBearer": []}],
            "parameters": [
                {"name": "agent_id", "in": "path", "required": True, "schema": {"type": "string", "format": "uuid"},
                 "description": "agent_id of the device, from /register"}
            ],
            "requestBody": {
                "required": True, "content": {"application/json": {"schema": body, "example": EXAMPLE}},
            },
            "responses": {
                "200": {"description": "committed", "content": {"application/json": {"schema": receipt}}}, **errors,
            },
        }
    }  # fmt: skip
