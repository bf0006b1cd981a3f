"""Uploads from the HTTP protocol to the group and back: what api/uploads.py does, for bodies that are there at once.

No task and no coroutine: the protocol hands the body over, the group calls back after COMMIT.
"""

import logging
import time
import zlib

import msgspec

from api.agent_bodies import AgentBodies, Sender
from api.bodies import GZIP
from api.rate_limits import CallLimits
from api.server.body_budget import Holder, Room
from api.server.direct import MAX_DIRECT_BYTES, Answer
from api.uploads import Verify, bearer_token, receipt_of
from core.clock import Clock
from core.errors import RtsError, WrongAgentError
from ingest.counters import IngestCounters
from ingest.decode import decode_upload
from ingest.group_commit import GroupCommit
from ingest.pending import Upload

log = logging.getLogger(__name__)
PLAIN, ZIPPED = (b"", b"identity"), (b"gzip", b"x-gzip")


class UploadDesk:
    """Opens uploads; the parts that each of them needs."""

    def __init__(
        self, verify: Verify, limits: CallLimits, commits: GroupCommit, bodies: AgentBodies, max_samples: int,
        retry_after_seconds: int, clock: Clock, tally: IngestCounters,
    ) -> None:  # fmt: skip
        self.verify, self.limits, self.commits, self.bodies = verify, limits, commits, bodies
        self.max_samples, self.retry_after, self.clock, self.tally = max_samples, retry_after_seconds, clock, tally

    def open(self, agent_id: str, authorization: bytes, encoding: bytes, answer: Answer) -> "UploadInHand | None":
        """Return an upload of a verified sender; None when it was refused and the answer is given."""
        began = time.monotonic()
        try:
            sender = self.verify(bearer_token(authorization))
            if str(sender.agent_id) != agent_id.lower():
                self.limits.take_agent(sender.agent_id)
                raise WrongAgentError
        except Exception as error:  # noqa: BLE001  an RtsError is for the agent, any other is logged
            self.refuse(error, answer)
            return None
        return UploadInHand(self, sender, encoding, answer, began)

    def refuse(self, error: Exception, answer: Answer) -> None:
        """Answer with an error and count it; one that is not for the agent is logged."""
        if not isinstance(error, RtsError):
            log.error("an upload failed", exc_info=error)
            error = RtsError("Something failed on the server: send the upload again later.")
        self.tally.refuse(error.code)
        headers = [(name.lower().encode(), value.encode()) for name, value in error.headers(self.retry_after).items()]
        answer(error.status, msgspec.json.encode(error.as_json()), headers)


class UploadInHand:
    """One upload on its way; `take` is called once."""

    __slots__ = ("_answer", "_began", "_desk", "_encoding", "_room", "_sender", "_upload")

    def __init__(self, desk: UploadDesk, sender: Sender, encoding: bytes, answer: Answer, began: float) -> None:
        self._desk, self._sender, self._encoding, self._answer, self._began = desk, sender, encoding, answer, began
        self._room: Room
        self._upload: Upload

    def take(self, body: bytes) -> bool:
        """Decode the body and let it wait for its group; False: it is not for this path."""
        unpacked = unpack(body, self._encoding)
        budget = self._desk.bodies.budget
        if unpacked is None or len(unpacked) > budget.one:
            return False
        business_id = self._desk.limits.business_of(self._sender.agent_id)
        self._room = budget.room_for(Holder("agent", self._sender.agent_id, business_id))
        try:
            self._room.take(len(unpacked))
            self._enqueue(unpacked)
        except Exception as error:  # noqa: BLE001  an RtsError is for the agent, any other is logged
            self._room.close()
            self._desk.refuse(error, self._answer)
        return True

    def _enqueue(self, body: bytes) -> None:
        desk, sender = self._desk, self._sender
        desk.limits.take_agent(sender.agent_id)
        received_at = desk.clock()
        desk.commits.check_room()
        decoded = decode_upload(body, received_at, desk.max_samples)
        self._upload = Upload(sender.agent_id, sender.token_hash, received_at, decoded)
        self._upload.make_rows()
        desk.commits.enqueue(self._upload, self._committed)

    def _committed(self) -> None:
        """Answer after COMMIT."""
        desk, upload = self._desk, self._upload
        self._room.close()
        if upload.error:
            upload.rows.clear()  # they point back at it: a cycle, which only the garbage collector would free
            desk.refuse(upload.error, self._answer)
            return
        receipt = receipt_of(upload, desk.limits)
        seconds = time.monotonic() - self._began
        desk.tally.answered(receipt.accepted, receipt.duplicates, receipt.rejected, seconds, receipt.notes)
        self._answer(200, msgspec.json.encode(receipt), ())


def unpack(body: bytes, encoding: bytes) -> bytes | None:
    """Return a small body as it was before packing; None for one that is large, faulty or in an unknown encoding."""
    if encoding in PLAIN:
        return body
    if encoding not in ZIPPED:
        return None
    stream = zlib.decompressobj(GZIP)
    try:
        unpacked = stream.decompress(body, MAX_DIRECT_BYTES)
    except zlib.error:
        return None
    return unpacked if stream.eof and not stream.unused_data else None
