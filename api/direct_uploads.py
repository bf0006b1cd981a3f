"""Takes uploads from the HTTP protocol to group commit, as api/uploads.py does, for bodies that arrive at once.

No task and no coroutine: the protocol hands the body over, group commit calls back after COMMIT.
"""

import logging
import time
from collections.abc import Callable
from datetime import timedelta

import msgspec

from api.bodies import AgentBodies, unpack_small
from api.quotas import Quotas
from api.rate_limits import CallLimits
from api.server.asgi import bearer_token
from api.server.body_budget import Holder, Room
from api.server.direct import MAX_DIRECT_BYTES, Exchange
from api.uploads import Verify, receipt_of
from auth.tokens import Sender
from core.clock import Clock
from core.errors import RtsError
from ingest.counters import IngestCounters
from ingest.decode import decode_upload
from ingest.group_commit import GroupCommit
from ingest.pending import Upload

log = logging.getLogger(__name__)
AUDITED_STATUSES = frozenset({401, 403})  # statuses of refusals that go into the audit trail
PLAIN, ZIPPED = (b"", b"identity"), (b"gzip", b"x-gzip")


class DirectUploadRoute:
    """Opens uploads; the parts that each of them needs."""

    def __init__(
        self, verify: Verify, limits: CallLimits, commits: GroupCommit, bodies: AgentBodies, max_samples: int,
        retry_after_seconds: int, clock: Clock, tally: IngestCounters, max_age: Callable[[], timedelta], quotas: Quotas,
    ) -> None:  # fmt: skip
        self.verify, self.limits, self.commits, self.bodies = verify, limits, commits, bodies
        self.max_samples, self.retry_after, self.clock, self.tally = max_samples, retry_after_seconds, clock, tally
        self.max_age, self.quotas = max_age, quotas

    def open(self, agent_id: str, authorization: bytes, encoding: bytes, exchange: Exchange) -> "OpenUpload | None":
        """Return an upload of a verified sender; None if it must be refused, which ASGI then does and records."""
        try:
            sender = self.verify(bearer_token(authorization))
        except Exception:  # noqa: BLE001  ASGI meets the same fault, answers and notes it
            return None
        if str(sender.agent_id) != agent_id.lower():
            return None
        return OpenUpload(self, sender, encoding, exchange)

    def refuse(self, error: Exception, exchange: Exchange) -> None:
        """Answer with an error and count it; one that is not for the agent is logged.

        Faults of the sender go to ASGI, which refuses the upload again and records it with the sender's address.
        """
        if not isinstance(error, RtsError):
            log.error("an upload failed", exc_info=error)
            error = RtsError("Something failed on the server: send the upload again later.")
        if error.status in AUDITED_STATUSES:
            exchange.hand_over()
            return
        self.tally.refuse(error.code)
        headers = [(name.lower().encode(), value.encode()) for name, value in error.headers(self.retry_after).items()]
        exchange.answer(error.status, msgspec.json.encode(error.as_json()), headers)


class OpenUpload:
    """One upload on its way; `take` is called once."""

    __slots__ = ("_began", "_bytes", "_encoding", "_exchange", "_room", "_route", "_sender", "_upload")

    def __init__(self, route: DirectUploadRoute, sender: Sender, encoding: bytes, exchange: Exchange) -> None:
        self._route, self._sender, self._encoding, self._exchange = route, sender, encoding, exchange
        self._began = time.monotonic()
        self._bytes = 0
        self._room: Room
        self._upload: Upload

    def take(self, body: bytes) -> None:
        """Decode the body and queue it for its group; bodies that are not for this path go to ASGI."""
        unpacked = unpack(body, self._encoding)
        budget = self._route.bodies.budget
        if unpacked is None or len(unpacked) > budget.one:
            self._exchange.hand_over()
            return
        payer = self._route.limits.payer(self._sender.agent_id, self._sender.token_hash)
        self._room = budget.room_for(Holder("agent", *payer))
        self._bytes = len(unpacked)
        try:
            self._enqueue(unpacked)
        except Exception as error:  # noqa: BLE001  an RtsError is for the agent, any other is logged
            self._room.close()
            self._route.refuse(error, self._exchange)

    def _enqueue(self, body: bytes) -> None:
        route, sender = self._route, self._sender
        route.limits.take_agent(sender.agent_id, sender.token_hash)
        route.quotas.check(sender.agent_id, "samples", "bytes")
        received_at = route.clock()
        self._room.take(len(body))
        _, tenant = route.limits.payer(sender.agent_id, sender.token_hash)
        route.commits.check_room(owner=tenant)
        decoded = decode_upload(body, received_at, route.max_samples, route.max_age())
        self._upload = Upload(sender.agent_id, sender.token_hash, received_at, decoded)
        self._upload.make_rows()
        route.commits.enqueue(self._upload, self._committed, tenant)

    def _committed(self) -> None:
        """Answer after COMMIT."""
        route, upload = self._route, self._upload
        self._room.close()
        if upload.error:
            upload.rows.clear()  # rows refer to the upload: a cycle that only the garbage collector would free
            route.refuse(upload.error, self._exchange)
            return
        receipt = receipt_of(upload, route.limits)
        route.quotas.spend(upload.agent_id, samples=upload.inserted, bytes=self._bytes)
        seconds = time.monotonic() - self._began
        route.tally.answered(receipt.accepted, receipt.duplicates, receipt.rejected, seconds, receipt.notes)
        self._exchange.answer(200, msgspec.json.encode(receipt))


def unpack(body: bytes, encoding: bytes) -> bytes | None:
    """Return a small body decompressed; None if it is large, faulty or in an unknown encoding."""
    if encoding in PLAIN:
        return body
    if encoding not in ZIPPED:
        return None
    return unpack_small(body, MAX_DIRECT_BYTES)
