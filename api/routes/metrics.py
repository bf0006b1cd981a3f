"""GET /metrics for Prometheus: of all processes on this port, and of the fleet; requires RTS_METRICS_TOKEN.

Not in the OpenAPI document: it is no call of agents or people.
"""

import hmac
import time

from fastapi import APIRouter, Request, Response

from api.errors import MetricsForbiddenError
from api.services import get_services
from health.exposition import expose

router = APIRouter()


@router.get("/metrics", include_in_schema=False)
async def metrics(request: Request) -> Response:
    """Answer in the format of the Accept header: Prometheus' text, or OpenMetrics."""
    services = get_services(request)
    check_token(request.headers.get("authorization", ""), services.settings.metrics_token.get_secret_value())
    fleet = await services.fleet.read()
    body, content_type = expose(await services.process.all(), fleet, time.time(), request.headers.get("accept", ""))
    return Response(body, headers={"Content-Type": content_type})


def check_token(header: str, token: str) -> None:
    """Raise MetricsForbiddenError unless the header brings the token; without one set, always."""
    scheme, _, presented = header.partition(" ")
    good = hmac.compare_digest(presented.strip().encode(), token.encode())
    if not token or scheme.lower() != "bearer" or not good:
        raise MetricsForbiddenError
