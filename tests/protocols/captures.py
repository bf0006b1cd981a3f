"""Requests of real clients, as they were sent: body, headers and path."""

import gzip
import json
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from protocols.collectd import read_collectd
from protocols.influx import read_influx
from protocols.otlp import read_otlp
from protocols.readings import MetricReading
from protocols.remote_write import choose_version, read_remote_write, unpack

FOLDER = Path(__file__).parent / "captures"
CLIENTS = sorted(folder.name for folder in FOLDER.iterdir())


@dataclass(frozen=True)
class Capture:
    """One request."""

    name: str
    body: bytes
    headers: dict[str, str]  # by lower-case name
    path: str
    received_at: int  # microseconds since 1970

    @property
    def query(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}

    @property
    def encoding(self) -> str:
        return self.headers.get("content-encoding", "")

    def read(self) -> MetricReading:
        """Read it by the adapter of its path."""
        body = gzip.decompress(self.body) if self.encoding == "gzip" else self.body
        path, content_type = urlsplit(self.path).path, self.headers.get("content-type", "")
        if path.endswith("/v1/metrics"):
            return read_otlp(body, content_type, self.received_at)
        if path.endswith("/collectd"):
            return read_collectd(body)
        if path.endswith("/v1/write"):
            return read_remote_write(unpack(body), choose_version(content_type))
        return read_influx(body, self.query.get("precision", ""), self.received_at)


def captures_of(client: str) -> list[Capture]:
    """Return the requests of one client in the order they were sent, without those that a server must refuse."""
    captures = []
    for file in sorted((FOLDER / client).glob("*.bin")):
        about = json.loads(file.with_suffix("").with_suffix(".headers.json").read_text())
        headers = {name.lower(): value for name, value in about["headers"]}
        at = round(about["received_at"] * 1_000_000)
        captures.append(Capture(f"{client}/{file.stem}", file.read_bytes(), headers, about["path"], at))
    return [capture for capture in captures if capture.encoding != "zstd"]
