"""POST /api/agents/{id}/metrics as a plain ASGI application: the hot path, without a framework in between.

Steps: who sends → the body → samples → wait for COMMIT → the receipt. 2xx is sent only after COMMIT.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

import msgspec

from api.bodies import AgentBodies, BodyReader
from api.large_turns import LargeTurns
from api.quotas import Quotas
from api.rate_limits import CallLimits
from api.server.asgi import Receive, Scope, Send, answer, bearer_token, refuse
from auth.tokens import Sender
from core.clock import Clock
from core.errors import RtsError, WrongAgentError
from ingest.counters import IngestCounters
from ingest.decode import decode_in_pieces, decode_upload
from ingest.errors import IngestBusyError
from ingest.group_commit import GroupCommit, weight
from ingest.pending import Upload
from ingest.samples import Decoded, Receipt

log = logging.getLogger(__name__)

# Bytes from which uploads take turns. When a whole fleet comes back at once, heartbeats and charts would otherwise wait
# for hundreds of uploads in each round of the event loop, and a flush, whose every message takes a round.
LARGE_BODY_BYTES = 16 * 1024
# … and the longest wait for a turn before the answer is a 503: agents hang up after 30 s, and the COPY
# is still to come.
MAX_WAIT_SECONDS = 15.0


class Pieces(NamedTuple):
    """How much of a large upload is decoded and packed in one round of the event loop.

    A body above `decoded_at_once` bytes is decoded in pieces of `rows` samples, which takes a third longer: a thread
    would hold the interpreter's lock.
    """

    decoded_at_once: int
    rows: int


# Half a millisecond while small uploads come. With 2 MiB wherever nobody had sent one for a second, the p99 of others
# doubled beside an attack; so nobody must have sent one for much longer.
SHORT, LONG = Pieces(256 * 1024, 200), Pieces(2 * 1024 * 1024, 2000)

Verify = Callable[[str], Sender]  # turns a bearer token into its sender, or raises an RtsError


class UploadRoute:
    """The ASGI application of the metrics upload."""

    def __init__(
        self,
        verify: Verify,
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
        turns: LargeTurns,
    ) -> None:
        """`note_refusal` is called for each refused call; samples older than `max_age` are refused."""
        self._note_refusal = note_refusal
        self._quotas = quotas
        self._verify = verify
        self._limits = limits
        self._commits = commits
        self._bodies = bodies
        self._max_samples = max_samples
        self._retry_after = retry_after_seconds
        self._clock = clock
        self._tally = tally
        self._max_age = max_age
        self._turns = turns

    async def __call__(self, scope: Scope, receive: Receive, send: Send, agent_id: str) -> None:
        """Answer one upload for the device `agent_id` of the path."""
        began = time.monotonic()
        try:
            receipt = await self.take(scope, receive, agent_id)
        except RtsError as error:
            self._note_refusal(scope, error)
            await self._refuse(send, error)
        except Exception:
            log.exception("an upload of agent %s failed", agent_id)
            await self._refuse(send, RtsError("Something failed on the server: send the upload again later."))
        else:
            seconds = time.monotonic() - began
            self._tally.answered(receipt.accepted, receipt.duplicates, receipt.rejected, seconds, receipt.notes)
            await answer(send, 200, msgspec.json.encode(receipt))

    async def take(self, scope: Scope, receive: Receive, agent_id: str) -> Receipt:
        """Read, decode and commit one upload; raises RtsError, which is the answer to the agent."""
        headers = dict(scope["headers"])
        sender = self._verify(bearer_token(headers.get(b"authorization", b"")))
        self._limits.take_agent(sender.agent_id, sender.token_hash)
        if str(sender.agent_id) != agent_id.lower():
            raise WrongAgentError
        self._quotas.check(sender.agent_id, "samples", "bytes")
        received_at = self._clock()
        with self._bodies.open(sender, receive, headers.get(b"content-encoding", b"").lower()) as reader:
            packed = await reader.receive()
            # The body's bytes stay counted until COMMIT, because its samples are still in memory.
            body = reader.unpack_small(packed, LARGE_BODY_BYTES)
            if body is None:
                upload, size = await self._take_in_turn(sender, reader, packed, received_at)
            else:
                upload, size = await self._make_at_once(sender, body, received_at), len(body)
                await self._commits.submit(upload, self._tenant_of(sender))
        receipt = receipt_of(upload, self._limits)
        self._quotas.spend(sender.agent_id, samples=upload.inserted, bytes=size)
        return receipt

    async def _take_in_turn(
        self, sender: Sender, reader: BodyReader, packed: bytes, received_at: datetime
    ) -> tuple[Upload, int]:
        """Return a committed upload and the bytes of its body, unpacked."""
        owner = self._tenant_of(sender) or sender.agent_id
        caller, _ = self._limits.payer(sender.agent_id, sender.token_hash)
        async with self._turns.of(owner, caller, MAX_WAIT_SECONDS):
            body = await reader.unpack(packed)
            upload = await self._make_in_turn(sender, body, received_at)
            await self._wait_for_room(upload, owner)
        await self._commits.submit(upload, owner)
        self._turns.owe(owner, upload.seconds)
        return upload, len(body)

    async def _make_in_turn(self, sender: Sender, body: bytes, received_at: datetime) -> Upload:
        pieces = LONG if self._commits.small_owners.is_quiet() else SHORT
        decoded = await self._decode(body, received_at, pieces)
        upload = Upload(sender.agent_id, sender.token_hash, received_at, decoded)
        for _ in upload.pack(pieces.rows):
            await asyncio.sleep(0)  # everybody else's round, the writer's too
        return upload

    async def _wait_for_room(self, upload: Upload, owner: UUID) -> None:
        """Return when the writer has room for all samples of an upload; raises IngestBusyError."""
        try:
            async with asyncio.timeout(MAX_WAIT_SECONDS):
                await self._commits.wait_for_room(weight(upload), owner)
        except TimeoutError:
            raise IngestBusyError from None

    def _tenant_of(self, sender: Sender) -> UUID | None:
        """Return the business of a sender's device; None while the database has not confirmed it, or refused it."""
        return self._limits.payer(sender.agent_id, sender.token_hash)[1]

    async def _make_at_once(self, sender: Sender, body: bytes, received_at: datetime) -> Upload:
        self._commits.check_room(owner=self._tenant_of(sender))  # in a flood, a refused upload is not decoded
        upload = Upload(sender.agent_id, sender.token_hash, received_at, await self._decode(body, received_at, SHORT))
        upload.make_rows()
        return upload

    async def _decode(self, body: bytes, now: datetime, pieces: Pieces) -> Decoded:
        if len(body) <= pieces.decoded_at_once:
            return decode_upload(body, now, self._max_samples, self._max_age())
        decoded = await self._decode_in_pieces(body, now, pieces.rows)
        if decoded:
            return decoded
        return await asyncio.to_thread(decode_upload, body, now, self._max_samples, self._max_age())

    async def _decode_in_pieces(self, body: bytes, now: datetime, rows: int) -> Decoded | None:
        """Decode a large body in short pieces; None when it has faults, which are found in a thread."""
        pieces = decode_in_pieces(body, now, self._max_samples, self._max_age(), rows)
        while True:
            try:
                next(pieces)
            except StopIteration as end:
                decoded: Decoded | None = end.value
                return decoded
            await asyncio.sleep(0)

    async def _refuse(self, send: Send, error: RtsError) -> None:
        self._tally.refuse(error.code)
        await refuse(send, error, self._retry_after)


def receipt_of(upload: Upload, limits: CallLimits) -> Receipt:
    """Return the receipt of a committed upload; from now on its business is counted with its calls."""
    if upload.business_id:
        limits.learn(upload.agent_id, upload.business_id, upload.token_hash)
    decoded, duplicates = upload.decoded, upload.count - upload.inserted
    upload.forget_rows()
    return Receipt(
        decoded.received, upload.inserted, duplicates, decoded.rejected, upload.alerts,
        decoded.notes + upload.notes, decoded.notes_left_out,
    )  # fmt: skip
