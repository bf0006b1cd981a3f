"""The shape of an upload as msgspec types: of a sample that msgspec accepts only the time is checked further."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from operator import le
from typing import TYPE_CHECKING, Annotated, Any, Literal

from msgspec import Meta, Raw, Struct, defstruct

from core.facts import Facts
from core.metrics import LOADS, METRICS, Metric
from ingest.series_types import Disks, Interfaces, Sensors, Values

Text = Annotated[str, Meta(min_length=1, max_length=255)]
SERVICE_STATUSES = ("running", "stopped", "starting", "error")


class ListedService(Struct, forbid_unknown_fields=False, gc=False):
    """One service of the device as the sample saw it."""

    name: Text
    status: Literal["running", "stopped", "starting", "error"]
    pid: Annotated[int, Meta(ge=0, le=2**32)] | None = None


def value_type(metric: Metric) -> Any:
    """Return the type of a metric's values; whole numbers may come as floats, whose fraction is dropped when stored."""
    number = Annotated[float, Meta(ge=0, le=metric.maximum)]
    return Annotated[int, Meta(ge=0, le=int(metric.maximum))] | number if metric.whole else number


def metric_fields() -> Iterator[tuple[str, Any, None]]:
    """Yield a field for each metric of the catalogue; the load averages are one, [1m, 5m, 15m]."""
    for metric in METRICS:
        if metric is LOADS[0]:
            yield "load_average", tuple.__class_getitem__(tuple(value_type(load) | None for load in LOADS)) | None, None
        elif metric not in LOADS:
            yield metric.name, value_type(metric) | None, None


SAMPLE = "One sample as an agent sends it; every metric may be null or absent. Units as in `core.metrics`."

if TYPE_CHECKING:

    class Sample(Struct):
        """One sample; the metrics are fields as well."""

        collected_at: datetime
        load_average: tuple[float | None, float | None, float | None] | None
        services: list[ListedService] | None
        disks: Disks | None
        interfaces: Interfaces | None
        sensors: Sensors | None
        series: Values | None

        def __init__(self, collected_at: datetime, **fields: Any) -> None: ...
        def __getattribute__(self, name: str) -> Any: ...
        def __setattr__(self, name: str, value: Any) -> None: ...
else:
    Sample = defstruct(
        "Sample",
        [
            ("collected_at", Annotated[datetime, Meta(tz=True)]),
            *metric_fields(),
            ("services", Annotated[list[ListedService], Meta(max_length=500)] | None, None),
            ("disks", Disks | None, None),
            ("interfaces", Interfaces | None, None),
            ("sensors", Sensors | None, None),
            ("series", Values | None, None),
        ],
        namespace={"__doc__": SAMPLE},
        forbid_unknown_fields=True,
        module=__name__,
        gc=False,  # decoded from JSON, so never in a cycle: the garbage collector need not visit it
    )


VALUES = tuple(name for name in Sample.__struct_fields__ if name != "collected_at")


def has_values(sample: Sample) -> bool:
    """Return whether a sample holds anything beside its time."""
    return any(getattr(sample, name) is not None for name in VALUES)


class MachineFacts(Struct, kw_only=True):
    """Facts about the machine in an upload, besides its samples."""

    hostname: Any = None
    os_version: Any = None
    os_architecture: Any = None
    ip_address: Any = None
    mac_address: Any = None


class Envelope(MachineFacts, kw_only=True):
    """The body of an upload when every sample in it is in order."""

    metrics: list[Sample]


class RawEnvelope(MachineFacts, kw_only=True):
    """The same, its samples not decoded yet."""

    metrics: list[Raw]


class Rejection(Struct):
    """Why the sample at `index` of the upload wasn't accepted; the others are."""

    index: int
    code: str
    message: str


class Note(Struct):
    """A fault in an accepted sample: the value was dropped or corrected."""

    index: int
    field: str
    code: str
    message: str


class PartOfServices(list[ListedService]):
    """Services of a sample from whose list an entry was dropped: a service missing here may still be on the device."""


class Decoded(Struct):
    """An upload after decoding: the accepted samples with their unknown fields, and the rejected ones."""

    received: int
    samples: list[Sample]
    unknown: list[bytes | None]  # JSON of each sample's unknown fields, as stored in raw_metrics
    rejected: list[Rejection]
    notes: list[Note] = []
    notes_left_out: int = 0  # beyond MAX_NOTES
    ahead: timedelta | None = None  # how far ahead of the clock the last sample refused for this was
    facts: Facts | None = None  # facts about the machine

    def sort_by_time(self) -> None:
        """Put the samples in the order of their times; of samples of one time, the first stays first."""
        times = [sample.collected_at for sample in self.samples]
        if all(map(le, times, times[1:])):
            return
        order = sorted(range(len(times)), key=times.__getitem__)
        self.samples = [self.samples[place] for place in order]
        self.unknown = [self.unknown[place] for place in order]


class Receipt(Struct):
    """The answer to an upload; sent only after COMMIT."""

    received: int
    accepted: int
    duplicates: int
    rejected: list[Rejection]
    alerts_triggered: list[str] = []
    notes: list[Note] = []
    notes_left_out: int = 0  # notes beyond the first 1,000
