"""Variants of what clients send: other names, units and states for the same thing give the right columns."""

import pytest

from ingest.samples import Sample
from protocols.collectd import read_collectd
from protocols.columns import GIGABYTE
from protocols.disks import mount_name
from protocols.fold import fold_samples
from protocols.influx import read_influx
from protocols.memory import DeviceMemory
from protocols.otlp_names import OtlpPoint, add_point
from protocols.prometheus_names import NAMES
from protocols.readings import MetricReading

SECOND = 1_000_000
T = 1_795_830_160
GIB = 2.0**30


def only_sample(reading: MetricReading) -> Sample:
    (sample,) = fold_samples(reading.values, DeviceMemory())
    return sample


def otlp(*points: tuple[str, dict[str, str], float]) -> MetricReading:
    reading = MetricReading()
    for name, attributes, value in points:
        add_point(reading, OtlpPoint(name, attributes, T * SECOND, value))
    return reading


@pytest.mark.parametrize("path", ["C:", "\\C:", "c:", "C:\\", "C:/", "C:\\ "])
def test_a_windows_drive_has_one_name(path: str) -> None:
    assert mount_name(path) == "C:"


@pytest.mark.parametrize("path", ["/", "/mnt/C:", "C:\\mount", "root", "", "/data "])
def test_another_mount_point_keeps_its_name(path: str) -> None:
    assert mount_name(path) == path


def test_telegrafs_drive_of_windows_is_the_systems_disk() -> None:
    lines = (
        f"disk,device=C:,fstype=NTFS,path=\\C: total=100i,free=20i,used=80i {T}\n"
        f"disk,device=D:,fstype=NTFS,path=\\D: total=2000i,free=1900i,used=100i {T}"
    )
    sample = only_sample(read_influx(lines.encode(), "s", 0))
    assert sample.disk_percent == 80
    assert [disk.name for disk in sample.disks or ()] == ["C:", "D:"]


def test_without_a_system_disk_the_largest_one_counts_also_where_no_size_is_sent() -> None:
    sizes = {"/boot": (100.0, 900.0), "/data": (90_000.0, 10_000.0)}
    points = [
        ("system.filesystem.usage", {"mountpoint": mount, "state": state, "type": "ext4"}, value)
        for mount, (used, free) in sizes.items()
        for state, value in (("used", used), ("free", free))
    ]
    assert only_sample(otlp(*points)).disk_percent == 90


STATES = {"used": 8.0, "free": 2.0, "cached": 5.0, "buffered": 1.0, "slab_reclaimable": 1.0, "slab_unreclaimable": 0.5}


@pytest.mark.parametrize("more", [{}, {"total": 16.0}, {"shared": 3.0}], ids=["slab", "total", "shared"])
def test_memory_that_several_states_hold_counts_once(more: dict[str, float]) -> None:
    points = [("system.memory.usage", {"state": state}, value * GIB) for state, value in (STATES | more).items()]
    sample = only_sample(otlp(*points))
    assert (sample.memory_percent, sample.memory_used_gb) == (50, 8 * GIB / GIGABYTE)


def test_the_limit_of_the_memory_is_what_its_use_is_compared_with() -> None:
    used = ("system.memory.usage", {"system.memory.state": "used"}, 8 * GIB)
    assert only_sample(otlp(used, ("system.memory.limit", {}, 16 * GIB))).memory_percent == 50


def test_collectds_slab_is_a_state_of_its_own() -> None:
    states = {"used": 8, "free": 2, "cached": 4, "buffered": 1, "slab_recl": 1}
    lists = ",".join(
        f'{{"values":[{value}],"time":{T},"interval":10,"plugin":"memory","type":"memory","type_instance":"{state}"}}'
        for state, value in states.items()
    )
    assert only_sample(read_collectd(f"[{lists}]".encode())).memory_percent == 50


def cpu_percent(metric: str, label: str, seconds: dict[str, float]) -> float | None:
    """Return the CPU of a minute in which one core spent these seconds in each mode."""
    memory, reading = DeviceMemory(), MetricReading()
    for at, share in ((T, 0), (T + 60, 1)):
        for mode, value in seconds.items():
            NAMES[metric](reading, {label: "0", "mode": mode}, at * SECOND, value * share)
    computed: float | None = fold_samples(reading.values, memory)[-1].cpu_percent
    return computed


def test_windows_interrupts_are_privileged_time_already() -> None:
    modes = {"idle": 30.0, "user": 12.0, "privileged": 18.0, "dpc": 6.0, "interrupt": 3.0}
    assert cpu_percent("windows_cpu_time_total", "core", modes) == pytest.approx(50)


def test_interrupts_of_other_systems_are_a_state_of_their_own() -> None:
    modes = {"idle": 30.0, "user": 12.0, "system": 9.0, "interrupt": 9.0}
    assert cpu_percent("node_cpu_seconds_total", "cpu", modes) == pytest.approx(50)


@pytest.mark.parametrize("time", [T, T * 10**3, T * 10**6, T * 10**9])
def test_a_time_of_automatic_precision_is_read_by_its_size(time: int) -> None:
    reading = read_influx(f"system load1=1 {time}".encode(), "auto", 0)
    assert [value.cell for value in reading.values] == [T * SECOND]


def test_a_metric_that_is_not_mapped_names_no_host() -> None:
    lines = f"syslog,host=another msgid=5 {T}\nsystem,host=a load1=1 {T}"
    reading = read_influx(lines.encode(), "s", 0)
    assert reading.hosts == {"a"}
    assert reading.machine is not None
    assert reading.machine.hostname == "a"


def test_two_named_hosts_are_no_machine() -> None:
    lines = f"system,host=a load1=1 {T}\nsystem,host=b load1=1 {T}"
    assert read_influx(lines.encode(), "s", 0).machine is None
