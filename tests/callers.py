"""Callers of the API, people and agents with valid and invalid tokens, and a device with one row of every kind."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import jwt

from auth.keys import KeyFile, KeyRing, Ring
from auth.tokens import AGENT_AUDIENCE, Tokens, sign
from core.clock import utc_now
from tests.calls import removed, told
from tests.commands import fetched, order
from tests.devices import Device, register_device, sample
from tests.people import Employee, Tenant, make_employee, make_tenant
from tests.routes import ALERTS, CONDITION, RULES, WINDOW, WINDOWS
from tests.software import listed, software


@dataclass(frozen=True)
class Caller:
    """A caller: its token, its kind, and the device that it asks for if that is not the target."""

    name: str
    token: str | None
    kind: str  # nobody, bad, user, employee, agent, revoked
    at: UUID | None = None

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}


@dataclass(frozen=True)
class Target:
    """A device of a business whose name is a marker, with the ids of all rows that belong to it."""

    device: Device
    marker: str
    waiting: UUID  # a command that awaits a second employee's approval
    begun: UUID  # one that the agent has fetched
    batch_id: UUID
    service_id: UUID
    eol_id: UUID
    registration_token: str
    rule_id: UUID
    history_id: UUID
    window_id: UUID
    token_id: UUID
    gateway_id: UUID
    host_id: UUID

    def ids(self, at_the_agent: bool) -> dict[str, Any]:
        """Return what goes into paths and bodies by name; an agent meets other commands than an employee."""
        return {
            "agent_id": self.device.agent_id, "business_id": self.device.tenant.business_id,
            "agent_ids": [str(self.device.agent_id)], "command_id": self.begun if at_the_agent else self.waiting,
            "batch_id": self.batch_id, "service_id": self.service_id, "eol_id": self.eol_id,
            "token": self.registration_token, "rule_id": self.rule_id, "history_id": self.history_id,
            "window_id": self.window_id, "token_id": self.token_id,
            "gateway_id": self.gateway_id, "host_id": self.host_id,
            "view_id": uuid4(),  # views belong to people, not devices: one that is gone
        }  # fmt: skip

    def secrets(self) -> list[str]:
        """Return the texts that no answer to a stranger may contain."""
        tenant = self.device.tenant
        ids = (self.device.agent_id, tenant.business_id, tenant.location_id, self.waiting, self.begun, self.batch_id)
        return [self.marker, *map(str, (*ids, self.service_id))]


class CallerFactory:
    """Makes targets and callers. The end-of-life rules of its employee must be deleted afterwards (`forget_rules`)."""

    def __init__(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool, tokens: Tokens, key_file: Path, employee: Employee
    ) -> None:
        self.client, self.pool, self.tokens, self.employee = client, pool, tokens, employee
        self._keys = KeyFile(key_file)

    async def target(self, tenant: Tenant | None = None) -> Target:
        """Make a device with one row of every kind, in a new business unless a tenant is given."""
        marker = tenant.name if tenant else f"marker-{uuid4().hex}"
        tenant = tenant or await make_tenant(self.pool, self.tokens, marker)
        device = await register_device(self.client, self.employee, tenant, marker, 300)
        service = {"name": marker, "status": "running", "pid": 1}
        await told(device)
        await device.accepted(sample(cpu_percent=1, services=[service], note=marker))
        await listed(device, software(marker, vendor=marker))
        other = await make_employee(self.pool, self.tokens)
        begun = await order(device, self.employee, params={"note": marker})
        await fetched(device)
        waiting = await order(device, other, params={"note": marker}, approval_required=True)
        batch = await self._post("/api/agents/commands", other, agent_ids=[str(device.agent_id)],
                                 command_type="collect_now", approval_required=True)  # fmt: skip
        service_id = await self.pool.fetchval("SELECT id FROM agent_monitored_services WHERE service_name = $1 "
                                              "AND agent_device_id = $2", marker, device.agent_id)  # fmt: skip
        rule = await self._post(RULES, self.employee, software_name=str(uuid4()), eol_date="2030-01-01")
        token = await self._post("/api/agents/registration-tokens", self.employee,
                                 business_id=str(tenant.business_id), device_name=marker)  # fmt: skip
        return Target(
            device, marker, UUID(waiting["command_id"]), UUID(begun["command_id"]), UUID(batch["batch_id"]),
            UUID(str(service_id)), UUID(rule["id"]), token["token"], *await self._alerts(device, marker),
            UUID(token["id"]), *await self._gateway(tenant, marker),
        )  # fmt: skip

    async def _alerts(self, device: Device, marker: str) -> tuple[UUID, UUID, UUID]:
        """Make a rule, an open alert of it, and a maintenance window; return their ids."""
        business = str(device.tenant.business_id)
        rule = await self._post(ALERTS, self.employee, alert_name=marker, severity="info", business_id=business,
                                conditions=CONDITION)  # fmt: skip
        history = await self.pool.fetchval(
            "INSERT INTO agent_alert_history (agent_alert_id, agent_device_id, triggered_at, severity, alert_message) "
            "VALUES ($1::text::uuid, $2, now(), 'info', $3) RETURNING id",
            rule["id"], device.agent_id, marker,
        )  # fmt: skip
        window = await self._post(WINDOWS, self.employee, **WINDOW | {"window_name": marker, "business_id": business})
        return UUID(rule["id"]), UUID(str(history)), UUID(window["id"])

    async def _gateway(self, tenant: Tenant, marker: str) -> tuple[UUID, UUID]:
        """Make a gateway whose one host waits to be confirmed; return the ids of both."""
        gateway = await self._post(
            "/api/agents/gateways", self.employee, business_id=str(tenant.business_id), name=marker
        )
        gateway_id, host_id = UUID(gateway["gateway"]["id"]), uuid4()
        await self.pool.execute(
            "INSERT INTO agent_gateway_hosts (id, business_id, gateway_id, host, first_seen_at) "
            "VALUES ($1, $2, $3, $4, now())", host_id, tenant.business_id, gateway_id, f"{marker}-{host_id}".lower(),
        )  # fmt: skip
        return gateway_id, host_id

    async def strangers(self, target: Target, neighbour: Tenant) -> list[Caller]:
        """Return all callers except the target's own agent (`agent_of`)."""
        tenant = target.device.tenant
        bad = await self._bad_tokens(target)
        cousin, other, revoked = [
            await register_device(self.client, self.employee, whose, "another", 300)
            for whose in (tenant, neighbour, tenant)
        ]
        await removed(revoked, self.employee, "token")
        return [
            Caller("nobody", None, "nobody"),
            *(Caller(name, token, "bad") for name, token in bad.items()),
            Caller("a user of another business", neighbour.user_token, "neighbour"),
            Caller("a user of the device's business", tenant.user_token, "user"),
            Caller("an employee", self.employee.token, "employee"),
            Caller("another agent of the business", cousin.token, "agent"),
            Caller("an agent of another business", other.token, "agent"),
            Caller("a revoked agent", revoked.token, "revoked", revoked.agent_id),
        ]

    async def _bad_tokens(self, target: Target) -> dict[str, str]:
        """Return tokens of all three kinds that are expired, or signed by another key under the id of a good one."""
        now = utc_now()
        business = {"sub": "somebody", "business_id": str(target.device.tenant.business_id)}
        staff = {"sub": "somebody", "employee_id": str(self.employee.employee_id)}
        agent = {"sub": str(target.device.agent_id), "aud": AGENT_AUDIENCE}
        kinds: dict[str, tuple[Ring, dict[str, str]]] = {
            "user": ("platform", business), "employee": ("platform", staff), "agent": ("agent", agent),
        }  # fmt: skip
        bad_tokens = {}
        for kind, (ring, claims) in kinds.items():
            good = self._keys.ring(ring)
            another = KeyRing(good.current, {good.current: "another-secret-of-the-same-name-" + uuid4().hex})
            bad_tokens[f"an expired {kind}"] = sign(good, {**claims, "exp": now - timedelta(minutes=5)})
            bad_tokens[f"a forged {kind}"] = sign(another, {**claims, "exp": now + timedelta(minutes=5)})
            assert jwt.get_unverified_header(bad_tokens[f"a forged {kind}"])["kid"] in good.keys
        return bad_tokens

    async def _post(self, url: str, employee: Employee, **body: Any) -> dict[str, Any]:
        response = await self.client.post(url, json=body, headers=employee.headers)
        assert response.status_code in (200, 201), response.text
        answer: dict[str, Any] = response.json()
        return answer


def agent_of(target: Target) -> Caller:
    return Caller("the agent itself", target.device.token, "itself")


async def forget_rules(pool: asyncpg.Pool, employee: Employee) -> None:
    """Delete the end-of-life rules of an employee: they apply to the whole fleet, also in other tests."""
    rules = "SELECT id FROM agent_software_eol WHERE created_by = $1"
    for statement in (
        "UPDATE agent_software_inventory SET eol_rule_id = NULL, eol_date = NULL, is_eol = NULL "
        f"WHERE eol_rule_id IN ({rules})",
        f"DELETE FROM agent_software_eol WHERE id IN ({rules})",
    ):
        await pool.execute(statement, employee.employee_id)


async def state_of(pool: asyncpg.Pool, target: Target) -> list[Any]:
    """Return a value that changes with each change of the device, of its neighbours or of their rows."""
    device, business = target.device.agent_id, target.device.tenant.business_id
    questions = [
        ("SELECT id, xmin::text FROM agent_devices WHERE business_id = $1 ORDER BY id", business),
        ("SELECT id, xmin::text FROM agent_registration_tokens WHERE business_id = $1 ORDER BY id", business),
        ("SELECT xmin::text FROM agent_software_eol WHERE id = $1", target.eol_id),
        ("SELECT count(*) FROM agent_metrics WHERE agent_device_id = $1", device),
        ("SELECT count(*) FROM agent_audit WHERE agent_device_id = $1", device),
        *(
            (f"SELECT id, xmin::text FROM {table} WHERE agent_device_id = $1 ORDER BY id", device)
            for table in ("agent_commands", "agent_monitored_services", "agent_software_inventory", "agent_events")
        ),
    ]
    return [[tuple(row) for row in await pool.fetch(query, of)] for query, of in questions]
