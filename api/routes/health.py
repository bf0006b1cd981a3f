"""GET /api/health: is this process alive, and does its database answer."""

import asyncio
from typing import Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from api.services import services_of

router = APIRouter(prefix="/api", tags=["health"])
PATIENCE_SECONDS = 5.0


class Health(BaseModel):
    """What a load balancer and an operator want to know."""

    status: Literal["ok"] = Field(description="`ok`: the database answered; otherwise the answer is a 503")
    buffered_samples: int = Field(description="samples of uploads that wait for COMMIT in this process")


@router.get("/health")
async def health(request: Request) -> Health:
    """Answer 200 when the database answers, 503 otherwise; needs no token."""
    services = services_of(request)
    async with asyncio.timeout(PATIENCE_SECONDS):
        await services.pool.fetchval("SELECT 1")
    return Health(status="ok", buffered_samples=services.commits.buffered)
