"""Erasures over HTTP: who may, what is counted, and the way from the request to the certificate."""

from datetime import timedelta
from uuid import uuid4

import asyncpg

from core.clock import utc_now
from devices.erasure.work import erase, prove_due
from tests.devices import register_device, sample
from tests.retention.conftest import Server

ERASURES = "/api/admin/erasures"


async def test_a_device_is_counted_requested_erased_and_proven(server: Server, connection: asyncpg.Connection) -> None:
    name = await connection.fetchval("SELECT current_database()")
    device = await register_device(server.client, server.technician, server.tenant, "server-1", 300)
    await device.accepted(sample(utc_now() - timedelta(hours=1)), sample(utc_now()))
    subject = {"kind": "device", "subject_id": str(device.agent_id)}
    counted = await server.post("/counts", subject, base=ERASURES)
    assert counted.status_code == 200, counted.text
    assert counted.json()["rows"]["agent_metrics"] == 2

    order = subject | {"reason": "request 1234", "database": name}
    wrong = await server.post("", order | {"database": "another"}, base=ERASURES)
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (409, "wrong_database")
    answer = await server.post("", order, base=ERASURES)
    assert answer.status_code == 201, answer.text
    number = answer.json()["erasure_id"]
    listed = (await server.client.get(ERASURES, headers=server.technician.headers)).json()
    assert [(one["erasure_id"], one["state"]) for one in listed] == [(number, "waiting")]
    trail = await connection.fetchrow("SELECT * FROM agent_audit WHERE action = 'erasure_requested' ORDER BY id DESC")
    assert trail is not None
    assert (trail["actor_kind"], trail["actor_id"]) == ("employee", server.dba.employee_id)

    await erase(connection, number, utc_now())
    await prove_due(connection, utc_now() + timedelta(hours=2))
    late = await server.post(f"/{number}/cancel", base=ERASURES)
    assert (late.status_code, late.json()["error"]["code"]) == (409, "erasure_begun")
    (certificate,) = (await server.client.get(ERASURES, headers=server.technician.headers)).json()
    assert (certificate["state"], certificate["deleted"]["agent_metrics"]) == ("proven", 2)
    assert len(certificate["sha256"]) == 64


async def test_a_request_is_cancelled_before_anything_is_deleted(
    server: Server, connection: asyncpg.Connection
) -> None:
    name = await connection.fetchval("SELECT current_database()")
    device = await register_device(server.client, server.technician, server.tenant, "server-1", 300)
    order = {"kind": "device", "subject_id": str(device.agent_id), "reason": "a mistake", "database": name}
    number = (await server.post("", order, base=ERASURES)).json()["erasure_id"]
    assert (await server.post(f"/{number}/cancel", base=ERASURES)).status_code == 204
    assert not await erase(connection, number, utc_now())
    missing = await server.post("", order | {"subject_id": str(uuid4())}, base=ERASURES)
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "nothing_to_erase")


async def test_without_the_right_nobody_counts_requests_or_cancels(server: Server) -> None:
    order = {"kind": "business", "subject_id": str(server.tenant.business_id), "reason": "x", "database": "x"}
    for path, body in (("/counts", order), ("", order), ("/1/cancel", None)):
        for who, code in ((server.technician, "right_missing"), (server.tenant, "employees_only")):
            answer = await server.post(path, body, who, base=ERASURES)
            assert answer.status_code == 403, answer.text
            assert answer.json()["error"]["code"] == code
