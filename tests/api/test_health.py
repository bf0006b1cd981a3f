"""Health: whether the server lives, asked by anybody."""

import httpx


async def test_health_needs_no_token_and_takes_a_bad_one(client: httpx.AsyncClient) -> None:
    for headers in ({}, {"Authorization": "Bearer nonsense"}):
        response = await client.get("/api/health", headers=headers)
        assert (response.status_code, response.json()) == (200, {"status": "ok", "buffered_samples": 0})
