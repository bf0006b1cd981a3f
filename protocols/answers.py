"""The answers of each protocol: a status to which its clients react correctly, and a body that they can read.

Clients drop data on 4xx, some on 429 and 500 as well; only on 503 with Retry-After do all clients with a buffer keep
it. So a temporary failure is a 503, and every other answer names the fault.
"""

from dataclasses import dataclass, field
from enum import StrEnum

import msgspec
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse

from core.errors import RtsError
from protocols.readings import MetricReading

LASTING = (400, 401, 403, 404, 413, 415, 422)  # all other failures are temporary
SHOWN_REASONS = 3
Headers = list[tuple[bytes, bytes]]
JSON = b"application/json"
PROTOBUF = b"application/x-protobuf"


class Protocol(StrEnum):
    """The protocol, and so the form, of an answer."""

    INFLUX = "influx"
    OTLP = "otlp"
    REMOTE_WRITE_1 = "remote_write_1"
    REMOTE_WRITE_2 = "remote_write_2"
    COLLECTD = "collectd"


@dataclass(slots=True)
class Reply:
    """One complete answer: status, headers and body."""

    status: int
    body: bytes = b""
    media_type: bytes = JSON
    headers: Headers = field(default_factory=list)


@dataclass(slots=True)
class Stored:
    """The outcome of an upload after COMMIT.

    `rejected` are the reasons for samples with an impossible time, and `rejected_values` counts the values of these.
    """

    reading: MetricReading
    rejected: list[str]
    rejected_values: int = 0

    @property
    def lost(self) -> int:
        """The number of points or parts that could not be stored.

        Without those of hosts that wait for a person: to a sender that repeats what failed, a failure would be a block.
        """
        return self.reading.refused + self.reading.unparsed + self.rejected_values

    @property
    def omitted(self) -> int:
        """The same with hosts that wait, for OTLP, whose partial success is never sent again."""
        return self.lost + self.reading.waiting

    @property
    def reason(self) -> str:
        """The reasons of what is lost, in one line."""
        return "; ".join([*self.reading.reasons, *self.rejected][:SHOWN_REASONS])

    @property
    def reason_of_omitted(self) -> str:
        """The reasons of what is omitted, in one line."""
        reasons = [*self.reading.reasons, *self.rejected, *self.reading.reasons_to_wait]
        return "; ".join(reasons[:SHOWN_REASONS])


def reply_to(protocol: Protocol, stored: Stored, media_type: bytes = JSON) -> Reply:
    """Return the answer to an upload that is committed; `media_type` is that of an OTLP request."""
    if protocol is Protocol.OTLP:
        return otlp_reply(stored, media_type)
    if protocol is Protocol.COLLECTD:
        return Reply(200)
    headers = written(stored) if protocol is Protocol.REMOTE_WRITE_2 else []
    if not stored.lost:
        return Reply(204, headers=headers)
    if protocol is Protocol.INFLUX:
        return Reply(
            400, influx_body("invalid", f"partial write: {stored.reason} dropped={stored.lost}", stored.reading)
        )
    return Reply(400, f"{stored.lost} samples not stored: {stored.reason}\n".encode(), b"text/plain", headers)


def written(stored: Stored) -> Headers:
    """Return the headers without which a sender of remote write 2.0 counts a success as a failure.

    They count every sample that was understood, also those without a column: a sender shows anything less as failed.
    """
    samples = max(0, stored.reading.points - stored.reading.refused - stored.rejected_values)
    return [
        (b"x-prometheus-remote-write-samples-written", str(samples).encode()),
        (b"x-prometheus-remote-write-histograms-written", b"0"),
        (b"x-prometheus-remote-write-exemplars-written", b"0"),
    ]


def otlp_reply(stored: Stored, media_type: bytes) -> Reply:
    """Return a success; points that were refused make it a partial one, which is never sent again."""
    if media_type == JSON:
        rejected = {"rejectedDataPoints": str(stored.omitted), "errorMessage": stored.reason_of_omitted}
        return Reply(200, msgspec.json.encode({"partialSuccess": rejected} if stored.omitted else {}))
    response = ExportMetricsServiceResponse()
    if stored.omitted:
        response.partial_success.rejected_data_points = stored.omitted
        response.partial_success.error_message = stored.reason_of_omitted
    return Reply(200, response.SerializeToString(), PROTOBUF)


def failure(protocol: Protocol, error: RtsError, retry_after: Headers, media_type: bytes = JSON) -> Reply:
    """Return the answer to an upload that failed as a whole; a temporary failure becomes a 503."""
    status = error.status if error.status in LASTING else 503
    status = 400 if status == 422 else status
    headers = [*retry_after] if status == 503 else []
    if status == 401:
        headers.append((b"www-authenticate", b'Basic realm="rts-agents"'))
    if protocol is Protocol.OTLP:
        return otlp_failure(status, error, headers, media_type)
    if protocol is Protocol.INFLUX:
        return Reply(status, influx_body(error.code, error.message), headers=headers)
    return Reply(status, f"{error.code}: {error.message}\n".encode(), b"text/plain", headers)


def influx_body(code: str, message: str, reading: MetricReading | None = None) -> bytes:
    """Return an error with the keys of all three versions: v1 reads `error`, v2 `code` and `message`, v3 `data`."""
    data = [{"error_message": reason} for reason in reading.reasons] if reading else []
    return msgspec.json.encode({"error": message, "code": code, "message": message, "data": data})


def otlp_failure(status: int, error: RtsError, headers: Headers, media_type: bytes) -> Reply:
    """Return a google.rpc.Status in the media type of the request."""
    code = {400: 3, 401: 16, 403: 7, 404: 5, 413: 8, 415: 3}.get(status, 14)
    message = f"{error.code}: {error.message}"
    if media_type == PROTOBUF:
        return Reply(status, Status(code=code, message=message).SerializeToString(), PROTOBUF, headers)
    return Reply(status, msgspec.json.encode({"code": code, "message": message}), headers=headers)
