"""The list of open alerts, read to its end."""

from typing import Any

import httpx

from tests.calls import answer_of


async def open_alerts(client: httpx.AsyncClient, headers: dict[str, str], **query: Any) -> list[dict[str, Any]]:
    alerts: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        page = answer_of(await client.get("/api/agents/alerts/open", params=query | cursor, headers=headers))
        alerts += page["alerts"]
        if page["next_cursor"] is None:
            return alerts
        cursor = {"cursor": page["next_cursor"]}
