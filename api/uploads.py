"""POST /api/agents/{id}/metrics as a plain ASGI application: the hot path, without a framework in between.

Steps: who sends → the body → samples → wait for COMMIT → the receipt. 2xx is sent only after COMMIT.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from api.bodies import AgentBodies
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
from ingest.group_commit import GroupCommit
from ingest.pending import Upload
from ingest.samples import Decoded, Receipt

log = logging.getLogger(__name__)

# Bytes; a larger body is decoded in pieces, which takes a third longer: a thread would hold the interpreter's lock.
# Beside an attack, 2 MiB at once wherever nobody had sent a small upload a moment ago doubled others' p99.
DECODED_AT_ONCE = 256 * 1024
# Bytes from which uploads take turns, and how many rows one makes in a round of the event loop: half a millisecond.
# When a whole fleet comes back at once, heartbeats and charts would otherwise wait for hundreds of uploads in each
# round, and a flush, whose every message to the database takes a round, for thousands of rows.
IN_TURN, ROWS_A_ROUND = 16 * 1024, 200
# … and the longest wait for a turn before the answer is a 503: agents hang up after 30 s, and the COPY
# is still to come.
MAX_WAIT_SECONDS = 10.0

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
        self._limits.take_agent(sender.agent_id)
        if str(sender.agent_id) != agent_id.lower():
            raise WrongAgentError
        self._quotas.check(sender.agent_id, "samples", "bytes")
        received_at = self._clock()
        with self._bodies.open(sender, receive, headers.get(b"content-encoding", b"").lower()) as reader:
            body = await reader.read()
            # The body's bytes stay counted until it is stored: what it became is still in memory.
            if len(body) < IN_TURN:
                upload = await self._make_at_once(sender, body, received_at)
                await self._commits.submit(upload, self._tenant_of(sender))
            else:
                upload = await self._take_in_turn(sender, body, received_at)
        receipt = receipt_of(upload, self._limits)
        self._quotas.spend(sender.agent_id, samples=upload.inserted, bytes=len(body))
        return receipt

    async def _take_in_turn(self, sender: Sender, body: bytes, received_at: datetime) -> Upload:
        owner = self._tenant_of(sender) or sender.agent_id
        upload = await self._make_in_turn(owner, sender, body, received_at)
        await self._commits.submit(upload, owner)
        self._turns.owe(owner, upload.seconds)
        return upload

    async def _make_in_turn(self, owner: UUID, sender: Sender, body: bytes, received_at: datetime) -> Upload:
        try:
            async with self._turns.of(owner, sender.agent_id, MAX_WAIT_SECONDS):
                upload = await self._decoded(sender, body, received_at)
                for _ in upload.pack(ROWS_A_ROUND):
                    await asyncio.sleep(0)  # everybody else's round, the writer's too
        except TimeoutError:
            raise IngestBusyError from None
        return upload

    def _tenant_of(self, sender: Sender) -> UUID | None:
        """Return whose device an upload is from; None while that is not confirmed."""
        return self._limits.business_of(sender.agent_id)

    async def _make_at_once(self, sender: Sender, body: bytes, received_at: datetime) -> Upload:
        upload = await self._decoded(sender, body, received_at)
        upload.make_rows()
        return upload

    async def _decoded(self, sender: Sender, body: bytes, received_at: datetime) -> Upload:
        """Return an upload that has no rows yet."""
        self._commits.check_room(owner=self._tenant_of(sender))  # in a flood, what is refused costs only its bytes
        decoded = await self._decode(body, received_at)
        return Upload(sender.agent_id, sender.token_hash, received_at, decoded)

    async def _decode(self, body: bytes, now: datetime) -> Decoded:
        if len(body) <= DECODED_AT_ONCE:
            return decode_upload(body, now, self._max_samples, self._max_age())
        decoded = await self._decode_in_pieces(body, now)
        if decoded:
            return decoded
        return await asyncio.to_thread(decode_upload, body, now, self._max_samples, self._max_age())

    async def _decode_in_pieces(self, body: bytes, now: datetime) -> Decoded | None:
        """Decode a large body in short pieces; None when it has faults, which are found in a thread."""
        pieces = decode_in_pieces(body, now, self._max_samples, self._max_age(), ROWS_A_ROUND)
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
        limits.learn(upload.agent_id, upload.business_id)
    decoded, duplicates = upload.decoded, upload.count - upload.inserted
    upload.forget_rows()
    return Receipt(
        decoded.received, upload.inserted, duplicates, decoded.rejected, upload.alerts,
        decoded.notes + upload.notes, decoded.notes_left_out,
    )  # fmt: skip
