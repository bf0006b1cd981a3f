"""Health for balancers and supervisors: liveness, readiness, and the answer of the database."""

import asyncio
from typing import Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from api.services import get_services

router = APIRouter(prefix="/api", tags=["health"])
TIMEOUT_SECONDS = 5.0


class Health(BaseModel):
    """Health for load balancers and operators."""

    status: Literal["ok"] = Field(description="`ok`: the database answered; otherwise the answer is a 503")
    buffered_samples: int = Field(description="samples of uploads that wait for COMMIT in this process")


class Alive(BaseModel):
    """The process answers."""

    status: Literal["alive"]


class Ready(BaseModel):
    """The process takes requests."""

    status: Literal["ready"]


@router.get("/health")
async def health(request: Request) -> Health:
    """Answer 200 when the database answers, 503 otherwise; needs no token."""
    services = get_services(request)
    async with asyncio.timeout(TIMEOUT_SECONDS):
        await services.pool.fetchval("SELECT 1")
    return Health(status="ok", buffered_samples=services.commits.buffered)


@router.get("/health/live")
async def live() -> Alive:
    """Answer 200 without any check. Restart a process that does not answer."""
    return Alive(status="alive")


@router.get("/health/ready")
async def ready(request: Request) -> Ready:
    """Answer 200 when requests may be sent here, else 503 `not_ready` with every reason in `details`.

    Reasons: `draining`, `buffer_full`, `writer_stuck`, `writer_failed`, `database_unavailable`, `database_read_only`,
    `schema_not_migrated`. Costs the database one short query in two seconds, however often it is asked.
    """
    await get_services(request).readiness.check()
    return Ready(status="ready")
