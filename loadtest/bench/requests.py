"""The requests of the load client: an upload of five samples in the product's format, or as Influx lines.

Bodies are templates that are filled with times, so that the client costs little. All bodies of a format are equally
long.
"""

from datetime import UTC, datetime, timedelta
from typing import Literal

SAMPLES = 5
SAMPLE = (
    b'{"collected_at":"%s","cpu_percent":23.5,"memory_used_gb":7.25,"memory_percent":45.3,"disk_used_gb":120.5,'
    b'"disk_percent":61.2,"load_average":[0.52,0.61,0.55],"uptime_seconds":%s,"network_rx_bytes":9876543210,'
    b'"network_tx_bytes":1234567890,"services":[]}'
)
BODY = b'{"metrics":[' + b",".join([SAMPLE] * SAMPLES) + b"]}"
# The same eleven values of a sample, in the form that other stores take.
LINE = (
    b"metrics,device=%s cpu_percent=23.5,memory_used_gb=7.25,memory_percent=45.3,disk_used_gb=120.5,"
    b"disk_percent=61.2,load_average_1m=0.52,load_average_5m=0.61,load_average_15m=0.55,uptime_seconds=%s,"
    b"network_rx_bytes=9876543210,network_tx_bytes=1234567890 %s\n"
)
LINES_PATH = "/write?db=rts&precision=ms"
Format = Literal["native", "influx"]


class NativeRequests:
    """Uploads to the product."""

    def __init__(self, agents: list[tuple[str, str]], port: int) -> None:
        length = len(BODY % ((b"2026-01-01T00:00:00.000Z", b"123456") * SAMPLES))
        self._heads = [
            (
                f"POST /api/agents/{agent_id}/metrics HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
                f"Authorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
            ).encode()
            for agent_id, token in agents
        ]

    def make(self, agent: int, samples: tuple[bytes, ...]) -> bytes:
        """Return the request of an agent; `samples` has the time and the uptime of each sample."""
        return self._heads[agent] + BODY % samples

    @staticmethod
    def sample(at: datetime, uptime: bytes) -> tuple[bytes, bytes]:
        """Return what fills the template of one sample."""
        return at.isoformat(timespec="milliseconds").replace("+00:00", "Z").encode(), uptime


class InfluxRequests:
    """The same samples in Influx line protocol."""

    def __init__(self, agents: list[tuple[str, str]], port: int) -> None:
        length = len(LINE % (agents[0][0].encode(), b"123456", b"1767225600000")) * SAMPLES
        self._head = (
            f"POST {LINES_PATH} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: {length}\r\n\r\n"
        ).encode()
        self._bodies = [LINE.replace(b"device=%s", b"device=" + agent_id.encode()) * SAMPLES for agent_id, _ in agents]

    def make(self, agent: int, samples: tuple[bytes, ...]) -> bytes:
        """Return the request of an agent; `samples` has the uptime and the time of each sample."""
        return self._head + self._bodies[agent] % samples

    @staticmethod
    def sample(at: datetime, uptime: bytes) -> tuple[bytes, bytes]:
        """Return what fills the template of one sample."""
        return uptime, b"%d" % round(at.timestamp() * 1000)


Requests = NativeRequests | InfluxRequests
FORMATS: dict[Format, type[NativeRequests | InfluxRequests]] = {"native": NativeRequests, "influx": InfluxRequests}


class Times:
    """The times and uptimes of samples as a format has them, made once for the uploads of each round."""

    def __init__(self, format_: Format, first: float, step: float, booted: float) -> None:
        self._sample = FORMATS[format_].sample
        self._first = datetime.fromtimestamp(first, UTC)
        self._step = step
        self._uptime = first - booted
        self._made: list[tuple[bytes, ...]] = []

    def of(self, round_: int) -> tuple[bytes, ...]:
        """Return what fills the bodies of one round, in the order of the template."""
        while len(self._made) <= round_:
            number = len(self._made) * SAMPLES
            self._made.append(tuple(part for each in range(number, number + SAMPLES) for part in self._fill(each)))
        return self._made[round_]

    def _fill(self, number: int) -> tuple[bytes, bytes]:
        uptime = b"%d" % (self._uptime + self._step * number)
        return self._sample(self._first + timedelta(seconds=self._step * number), uptime)
