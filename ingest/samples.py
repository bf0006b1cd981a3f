"""The shape of an upload as msgspec types: what passes here needs no further look but at its time."""

from datetime import datetime, timedelta
from typing import Annotated, Literal

from msgspec import Meta, Struct

from core.metrics import EXACT
from ingest.series_types import Disks, Interfaces, Sensors, Values

Percent = Annotated[float, Meta(ge=0, le=100)]
Load = Annotated[float, Meta(ge=0, le=1e6)]
Memory = Annotated[float, Meta(ge=0, le=1e6)]
Disk = Annotated[float, Meta(ge=0, le=1e9)]
# Whole numbers may come as floats (`time.time() - boot`); the fraction is dropped when stored.
Uptime = Annotated[int, Meta(ge=0, le=10_000_000_000)] | Annotated[float, Meta(ge=0, le=1e10)]
Bytes = Annotated[int, Meta(ge=0, le=int(EXACT))] | Annotated[float, Meta(ge=0, le=EXACT)]

Text = Annotated[str, Meta(min_length=1, max_length=255)]
SERVICE_STATUSES = ("running", "stopped", "starting", "error")


class Service(Struct, forbid_unknown_fields=False):
    """One service of the device as the sample saw it."""

    name: Text
    status: Literal["running", "stopped", "starting", "error"]
    pid: Annotated[int, Meta(ge=0, le=2**32)] | None = None


class Sample(Struct, forbid_unknown_fields=True):
    """One sample as an agent sends it; every metric may be null or absent. Units as in `core.metrics`."""

    collected_at: Annotated[datetime, Meta(tz=True)]
    cpu_percent: Percent | None = None
    memory_used_gb: Memory | None = None
    memory_percent: Percent | None = None
    disk_used_gb: Disk | None = None
    disk_percent: Percent | None = None
    load_average: tuple[Load | None, Load | None, Load | None] | None = None
    uptime_seconds: Uptime | None = None
    network_rx_bytes: Bytes | None = None
    network_tx_bytes: Bytes | None = None
    services: Annotated[list[Service], Meta(max_length=500)] | None = None
    disks: Disks | None = None
    interfaces: Interfaces | None = None
    sensors: Sensors | None = None
    series: Values | None = None


VALUES = tuple(name for name in Sample.__struct_fields__ if name != "collected_at")


def has_values(sample: Sample) -> bool:
    """Return whether a sample holds anything beside its time."""
    return any(getattr(sample, name) is not None for name in VALUES)


class Envelope(Struct):
    """The body of an upload when every sample in it is in order."""

    metrics: list[Sample]


class Rejection(Struct):
    """Why the sample at `index` of the upload wasn't accepted; the others are."""

    index: int
    code: str
    message: str


class Note(Struct):
    """What was at fault in a sample that was accepted without it, or with a corrected value."""

    index: int
    field: str
    code: str
    message: str


class PartOfServices(list[Service]):
    """Services of a sample from whose list something was left out: what isn't in it may still be there."""


class Decoded(Struct):
    """An upload after decoding: the good samples with what was unknown in them, and the rejected."""

    received: int
    samples: list[Sample]
    unknown: list[bytes | None]  # JSON of each sample's unknown fields, as stored in raw_metrics
    rejected: list[Rejection]
    notes: list[Note] = []
    notes_left_out: int = 0  # beyond MAX_NOTES
    ahead: timedelta | None = None  # how far the last sample lay ahead that was refused for it


class Receipt(Struct):
    """The answer to an upload; sent only after COMMIT."""

    received: int
    accepted: int
    duplicates: int
    rejected: list[Rejection]
    alerts_triggered: list[str] = []
    notes: list[Note] = []
    notes_left_out: int = 0  # notes beyond the first 1,000
