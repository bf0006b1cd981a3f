"""Maps each host of a gateway's uploads to its device: a cache of some seconds; adds new hosts up to a limit."""

import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from uuid import UUID

import asyncpg

from core.clock import Clock
from core.errors import RevokedTokenError
from db.pools import database_errors
from devices.gateways import QUERIES

FRESH_SECONDS = 5.0  # the transaction of the rows checks token and device again
MAX_GATEWAYS = 1000  # kept in a process
MAX_NEW_HOSTS = 1000  # of one upload


@dataclass(slots=True)
class CurrentGateway:
    """A gateway whose token is good, and the hosts of its business; None is a host without a device."""

    id: UUID
    business_id: UUID
    token_hash: str
    enrolment: str
    host_pattern: str
    may_read: bool
    devices: dict[str, UUID | None]
    refused: frozenset[str] = frozenset()
    read_at: float = field(default_factory=time.monotonic)

    def fits(self, host: str) -> bool:
        """Return whether the gateway's rule makes a device of a new host."""
        return self.enrolment == "automatic" and fnmatchcase(host, self.host_pattern)


class GatewayHosts:
    """The gateways that uploaded lately, with the hosts of their businesses."""

    def __init__(self, pool: asyncpg.Pool, clock: Clock) -> None:
        self._pool = pool
        self._clock = clock
        self._known: OrderedDict[str, CurrentGateway] = OrderedDict()

    async def of(self, gateway_id: UUID, token_hash: str) -> CurrentGateway:
        """Return the gateway of a token with a valid signature.

        Raises RevokedTokenError, DatabaseUnavailableError.
        """
        gateway = self._known.get(token_hash)
        if gateway is None or gateway.read_at < time.monotonic() - FRESH_SECONDS:
            gateway = await self._load(gateway_id, token_hash)
            self._known[token_hash] = gateway
            if len(self._known) > MAX_GATEWAYS:
                self._known.popitem(last=False)
        return gateway

    def forget(self, gateway: CurrentGateway) -> None:
        """Read the gateway again before its next upload."""
        self._known.pop(gateway.token_hash, None)

    async def add_unknown(self, gateway: CurrentGateway, hosts: Iterable[str]) -> Mapping[str, UUID | None]:
        """Add the hosts that are new, as many as the gateway may have; return the devices of all its hosts."""
        unknown = [host for host in dict.fromkeys(hosts) if host not in gateway.devices][:MAX_NEW_HOSTS]
        if unknown:
            fits = [gateway.fits(host) for host in unknown]
            with database_errors():
                async with self._pool.acquire() as connection, connection.transaction():
                    if await connection.fetchval(*QUERIES.bind("lock_gateway", gateway_id=gateway.id)) is None:
                        self.forget(gateway)
                        raise RevokedTokenError
                    await connection.fetch(
                        *QUERIES.bind("add_hosts", gateway_id=gateway.id, hosts=unknown, fits=fits, now=self._clock())
                    )
                rows = await self._pool.fetch(*QUERIES.bind("load_hosts", business_id=gateway.business_id))
            gateway.devices = dict.fromkeys(unknown) | {row["host"]: row["agent_device_id"] for row in rows}
        return gateway.devices

    async def _load(self, gateway_id: UUID, token_hash: str) -> CurrentGateway:
        with database_errors():
            row = await self._pool.fetchrow(*QUERIES.bind("load_gateway", gateway_id=gateway_id, token_hash=token_hash))
            if row is None:
                self._known.pop(token_hash, None)
                raise RevokedTokenError
            hosts = await self._pool.fetch(*QUERIES.bind("load_hosts", business_id=row["business_id"]))
        return CurrentGateway(
            row["id"], row["business_id"], token_hash, row["enrolment"], row["host_pattern"], row["may_read"],
            {host["host"]: host["agent_device_id"] for host in hosts},
            frozenset(host["host"] for host in hosts if host["is_refused"]),
        )  # fmt: skip
