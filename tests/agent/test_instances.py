"""What our agent measures of this machine: real disks and interfaces, in the form that the server takes."""

from types import SimpleNamespace
from typing import Any

import msgspec
import psutil
import pytest

from agent.collect import Collector
from agent.instances import UNREAL_INTERFACES, disks, interfaces, is_real_disk
from ingest.samples import Sample


def test_a_sample_of_this_machine_takes_the_typed_way() -> None:
    sample = msgspec.json.decode(msgspec.json.encode(Collector().sample()), type=Sample)
    assert len({disk.name for disk in sample.disks or ()}) == len(sample.disks or ())


def partition(mountpoint: str, fstype: str, device: str = "/dev/sda1", opts: str = "rw") -> Any:
    return SimpleNamespace(mountpoint=mountpoint, fstype=fstype, device=device, opts=opts)


@pytest.mark.parametrize(
    ("part", "is_real"),
    [
        (partition("/", "ext4"), True), (partition("C:\\", "NTFS"), True), (partition("/var", "xfs"), True),
        (partition("/snap/core/1", "squashfs"), False), (partition("/", "overlay"), False),
        (partition("D:\\", "", opts="cdrom"), False), (partition("/run/user/1000", "ext4"), False),
        (partition("/var/lib/docker/volumes/a", "ext4"), False), (partition("/srv/scratch", "tmpfs", "tmpfs"), True),
        (partition("/run/lock", "tmpfs", "tmpfs"), False), (partition("/dev/shm", "tmpfs", "tmpfs"), False),
    ],
)  # fmt: skip
def test_only_real_file_systems_are_disks(part: Any, is_real: bool) -> None:
    assert is_real_disk(part) is is_real


@pytest.mark.parametrize("name", ["lo", "lo0", "veth12ab", "docker0", "br-0123", "virbr0", "cni0"])
def test_virtual_interfaces_are_left_out(name: str) -> None:
    assert UNREAL_INTERFACES.match(name)


@pytest.mark.parametrize("name", ["eth0", "enp3s0", "wlan0", "bond0", "Ethernet 2", "broadcom1"])
def test_real_interfaces_are_kept(name: str) -> None:
    assert not UNREAL_INTERFACES.match(name)


def test_a_device_that_is_mounted_twice_is_one_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    twice = [partition("/", "ext4"), partition("/tmp", "ext4")]
    monkeypatch.setattr(psutil, "disk_partitions", lambda **_: twice)
    assert [one["name"] for one in disks()] == ["/"]


def test_interfaces_have_their_counters() -> None:
    assert all({"name", "rx_bytes", "tx_bytes"} <= one.keys() for one in interfaces())
