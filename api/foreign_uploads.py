"""Uploads of other agents as plain ASGI: token, body, adapter, fold, wait for COMMIT, the protocol's own answer.

The same steps as `uploads.py`, with rows that may arrive in parts, and statuses that lose nothing.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

import msgspec

from api.bodies import AgentBodies
from api.foreign_paths import Call
from api.foreign_requests import choose_protocol, parse_every, parse_query, read_token
from api.gateway_uploads import Arrival, GatewayUploads, make_upload
from api.large_turns import LargeTurns
from api.quotas import Quotas
from api.rate_limits import CallLimits
from api.server.asgi import NOSNIFF, Receive, Scope, Send
from api.uploads import LARGE_BODY_BYTES, MAX_WAIT_SECONDS
from auth.tokens import Sender
from core.clock import Clock
from core.errors import RtsError, WrongAgentError
from core.micros import from_time
from devices.gateway_hosts import GatewayHosts
from ingest.counters import IngestCounters
from ingest.group_commit import GroupCommit
from protocols.answers import PROTOBUF, Headers, Reply, Stored, failure, reply_to
from protocols.collectd import read_collectd
from protocols.errors import SeveralHostsError, UnsupportedUploadError
from protocols.influx import AUTO, read_influx
from protocols.mapping import EMPTY, MetricMapping
from protocols.memory import Memory
from protocols.otlp import read_otlp
from protocols.readings import MetricReading
from protocols.remote_write import choose_version, read_remote_write, unpack, unpacked_size

log = logging.getLogger(__name__)

INFLUX_VERSION = (b"x-influxdb-version", b"1.8.10")


class ForeignUploads:
    """The ASGI application of all uploads that are not in this product's own format."""

    def __init__(
        self,
        verify: Callable[[str], Sender],
        limits: CallLimits,
        commits: GroupCommit,
        bodies: AgentBodies,
        max_samples: int,
        retry_after_seconds: int,
        clock: Clock,
        tally: IngestCounters,
        note_refusal: Callable[[Scope, RtsError], None],
        max_age: Callable[[], timedelta],
        quotas: Quotas,
        gateways: GatewayHosts,
        turns: LargeTurns,
        mapping: MetricMapping = EMPTY,
    ) -> None:
        """`verify` returns the sender of a token, an agent or a gateway, or raises an RtsError.

        `note_refusal` is called for refused calls. Samples older than `max_age` are refused.
        """
        self._note_refusal = note_refusal
        self._max_age = max_age
        self._quotas = quotas
        self._verify = verify
        self._limits = limits
        self._commits = commits
        self._bodies = bodies
        self._max_samples = max_samples
        self._retry_after = retry_after_seconds
        self._clock = clock
        self._tally = tally
        self._memory = Memory()
        self._mapping = mapping
        self._turns = turns
        self._gateways = GatewayUploads(gateways, commits, limits, quotas, self._memory, max_samples)

    async def __call__(self, scope: Scope, receive: Receive, send: Send, call: Call, agent_id: str | None) -> None:
        """Answer one request."""
        headers = dict(scope["headers"])
        if call in QUESTIONS:
            await answer(send, QUESTIONS[call](parse_query(scope)))
            return
        media_type = headers.get(b"content-type", b"")
        protocol = choose_protocol(call, media_type)
        own_type = PROTOBUF if media_type.lower().startswith(PROTOBUF) else b"application/json"
        try:
            stored = await self._take(scope, receive, call, agent_id, headers)
        except RtsError as error:
            self._note_refusal(scope, error)
            self._tally.refuse(error.code)
            await answer(send, failure(protocol, error, self._wait(error), own_type))
        except Exception:
            log.exception("an upload by %s failed", protocol)
            unknown = RtsError("Something failed on the server: send the upload again later.")
            await answer(send, failure(protocol, unknown, self._wait(unknown), own_type))
        else:
            await answer(send, reply_to(protocol, stored, own_type))

    def _wait(self, error: RtsError) -> Headers:
        headers = error.headers(self._retry_after)
        return [(b"retry-after", headers.get("Retry-After", str(self._retry_after)).encode())]

    async def _take(
        self, scope: Scope, receive: Receive, call: Call, agent_id: str | None, headers: dict[bytes, bytes]
    ) -> Stored:
        """Read, decode and commit one upload; raises RtsError, which is the answer to the sender."""
        if call is Call.OTLP_OTHER:
            raise UnsupportedUploadError("Only metrics are accepted here: send them to /v1/metrics.")
        query = parse_query(scope)
        token = read_token(headers.get(b"authorization", b""), query, call)
        sender = self._verify(token)
        self._limits.take_agent(sender.agent_id, sender.token_hash)
        if agent_id is not None and (sender.is_gateway or str(sender.agent_id) != agent_id.lower()):
            raise WrongAgentError
        self._quotas.check(sender.agent_id, "samples", "bytes", is_gateway=sender.is_gateway)
        arrival = Arrival(self._clock(), parse_every(query), self._max_age())
        encoding = headers.get(b"content-encoding", b"").lower()
        is_snappy = call is Call.REMOTE_WRITE
        if is_snappy and encoding != b"snappy":
            raise UnsupportedUploadError("Send remote write with Content-Encoding: snappy.")
        with self._bodies.open(sender, receive, b"" if is_snappy else encoding) as reader:
            body = await reader.read()
            size = unpacked_size(body) if is_snappy else len(body)
            if is_snappy:
                reader.announce(size)
            content_type = headers.get(b"content-type", b"").decode("latin-1")
            reading_it = partial(read, call, body, content_type, query, arrival.at, self._mapping)
            reading = await self._read(sender, size, reading_it)
            stored = await (self._gateways.store if sender.is_gateway else self._store)(sender, reading, arrival)
            self._quotas.spend(sender.agent_id, is_gateway=sender.is_gateway, bytes=size)
            return stored

    async def _read(self, sender: Sender, size: int, reading: Callable[[], MetricReading]) -> MetricReading:
        """Return the readings of a body of `size` bytes (unpacked); a large one takes a turn and is read in a thread.

        Raises IngestBusyError.
        """
        caller, business_id = self._limits.payer(sender.agent_id, sender.token_hash)
        if size < LARGE_BODY_BYTES:
            self._commits.check_room(owner=business_id)
            return reading()
        async with self._turns.of(business_id or caller, caller, MAX_WAIT_SECONDS):
            return await asyncio.to_thread(reading)

    async def _store(self, sender: Sender, reading: MetricReading, arrival: Arrival) -> Stored:
        if len(reading.hosts) > 1:
            names = ", ".join(sorted(reading.hosts)[:3])
            raise SeveralHostsError(
                f"One device's token uploads the hosts {names[:200]}: give each its own token, or create a gateway."
            )
        memory = self._memory.of(sender.agent_id, sender.token_hash)
        memory.expects_parts = reading.in_parts
        upload = make_upload(sender.agent_id, sender.token_hash, reading.values, memory, arrival, self._max_samples)
        upload.decoded.facts = reading.machine
        _, business_id = self._limits.payer(sender.agent_id, sender.token_hash)
        await self._commits.submit(upload, business_id)
        if upload.business_id:
            self._limits.learn(sender.agent_id, upload.business_id, sender.token_hash)
        self._quotas.spend(sender.agent_id, samples=upload.inserted)
        upload.rows.clear()  # rows refer to the upload: a cycle that only the garbage collector would free
        rejected = [rejection.message for rejection in upload.decoded.rejected]
        return Stored(reading, rejected, arrival.count_rejected(reading.values) if rejected else 0)


def read(
    call: Call, body: bytes, content_type: str, query: dict[str, str], received_at: datetime, mapping: MetricMapping
) -> MetricReading:  # fmt: skip
    """Return the readings of a body, parsed by the adapter of its protocol."""
    now = from_time(received_at)
    if call in (Call.INFLUX_WRITE, Call.INFLUX_WRITE_3):
        default = AUTO if call is Call.INFLUX_WRITE_3 else ""
        return read_influx(body, query.get("precision", default), now, mapping)
    if call is Call.OTLP:
        return read_otlp(body, content_type, now, mapping)
    if call is Call.COLLECTD:
        return read_collectd(body, mapping)
    version = choose_version(content_type)  # before the body is unpacked: another format is not a broken block
    return read_remote_write(unpack(body), version, mapping)


def show_databases(query: dict[str, str]) -> Reply:
    """Answer the two queries that clients ask before they write; there are no databases to choose from."""
    database = query.get("db")
    values = [[database]] if database else [["rts"]]
    document = {
        "results": [{"statement_id": 0, "series": [{"name": "databases", "columns": ["name"], "values": values}]}]
    }
    created = {"results": [{"statement_id": 0}]}
    asks = query.get("q", "").strip().upper().startswith("SHOW DATABASES")
    return Reply(200, msgspec.json.encode(document if asks else created), headers=[INFLUX_VERSION])


def ping(query: dict[str, str]) -> Reply:
    """Answer that writes are accepted."""
    del query
    return Reply(204, headers=[INFLUX_VERSION])


def health(query: dict[str, str]) -> Reply:
    """Answer as InfluxDB does; `/api/health/ready` is the product's own."""
    del query
    body = {"name": "influxdb", "message": "ready for queries and writes", "status": "pass", "version": "v2.7"}
    return Reply(200, msgspec.json.encode(body), headers=[INFLUX_VERSION])


QUESTIONS: dict[Call, Callable[[dict[str, str]], Reply]] = {
    Call.INFLUX_QUERY: show_databases, Call.INFLUX_PING: ping, Call.INFLUX_HEALTH: health,
}  # fmt: skip


async def answer(send: Send, reply: Reply) -> None:
    """Send one complete answer; a 204 has no body and no length."""
    headers = [NOSNIFF, *reply.headers]
    if reply.status != 204:
        headers += [(b"content-type", reply.media_type), (b"content-length", str(len(reply.body)).encode())]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})
