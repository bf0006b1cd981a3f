"""Errors of uploads: a stable code, a status, and what the agent should do."""

import math
from typing import ClassVar

from core.errors import RtsError


class MalformedBodyError(RtsError):
    """The body is not valid JSON: `details.position` is where reading stopped."""

    code: ClassVar[str] = "malformed_json"
    status: ClassVar[int] = 400


class WrongEnvelopeError(RtsError):
    """The body must be an object with a list of samples: {"metrics": [{"collected_at": …}]}."""

    code: ClassVar[str] = "wrong_envelope"
    status: ClassVar[int] = 422


class TooManySamplesError(RtsError):
    """The upload has too many samples: split it into several."""

    code: ClassVar[str] = "too_many_samples"
    status: ClassVar[int] = 413


class IngestBusyError(RtsError):
    """The server's queue of uploads is full: send this upload again after Retry-After seconds."""

    code: ClassVar[str] = "ingest_busy"
    status: ClassVar[int] = 503

    def __init__(self, message: str | None = None, *, wait_seconds: float = 0.0) -> None:
        """`wait_seconds`: when the upload is expected to be taken, where that is later than the usual wait."""
        super().__init__(message)
        self._wait = math.ceil(wait_seconds)

    def headers(self, retry_after_seconds: int) -> dict[str, str]:
        """Return a wait between once and twice `retry_after_seconds`, or the longer one that is expected."""
        usual = int(super().headers(retry_after_seconds)["Retry-After"])
        return {"Retry-After": str(max(usual, self._wait))}


class UnstorableUploadError(RtsError):
    """The database refused values of this upload: do not send it again unchanged."""

    code: ClassVar[str] = "unstorable_upload"
    status: ClassVar[int] = 422
