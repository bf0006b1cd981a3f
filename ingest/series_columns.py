"""Fills missing columns of a sample from its lists of disks and interfaces.

`disk_percent` is that of the fullest real disk. The network counters are sums over the real interfaces. They stay null
if an interface of the device is missing: a sum without it would look like a reset.
"""

import re
from collections.abc import Collection, Sequence

from ingest.samples import Sample
from ingest.series_types import Disk, Interface

GB = 1e9
SYSTEM_DISKS = ("/", "C:", "root")  # of other agents; root is collectd's name of /
# File systems that are not a disk of the device: images, memory, container layers, network shares.
UNREAL_DISKS = frozenset({
    "squashfs", "tmpfs", "devtmpfs", "ramfs", "overlay", "iso9660", "udf", "cdfs", "nfs", "nfs4", "cifs", "smbfs",
    "autofs", "fuse.sshfs",
})  # fmt: skip
UNREAL_INTERFACE = re.compile(
    r"^(lo\d*|loopback.*|veth.*|vethernet.*|docker\d*|br-.*|br\d+|bridge\d*|virbr.*|vnet\d+|cni.*|flannel.*|cali.*|tun\d*|tap\d*|utun\d*|"
    r"wg\d*|sit\d*|isatap.*|kube.*|awdl\d*|llw\d*|ifb\d*|dummy\d*|vmnet\d*)$",
    re.IGNORECASE,
)


def lacks_columns(sample: Sample) -> bool:
    """Return whether a sample has lists that may fill columns which it lacks."""
    return bool(
        (sample.disks and sample.disk_percent is None)
        or (sample.interfaces and sample.network_rx_bytes is None and sample.network_tx_bytes is None)
    )


def fill_columns(sample: Sample, known_interfaces: Collection[str], *, is_part: bool = False) -> None:
    """Fill the columns; `known_interfaces` are those that the device has had lately.

    `is_part`: other disks of the sample may be in another request, so the fullest one of these says nothing.
    """
    if sample.disks and sample.disk_percent is None and not is_part:
        fill_disk(sample, sample.disks)
    if sample.interfaces and sample.network_rx_bytes is None and sample.network_tx_bytes is None:
        fill_network(sample, sample.interfaces, known_interfaces)


def fill_disk(sample: Sample, disks: Sequence[Disk]) -> None:
    """Take share and used space of the fullest real disk."""
    real = [disk for disk in disks if disk.percent is not None and (disk.type or "").lower() not in UNREAL_DISKS]
    if not real:
        return
    fullest = max(real, key=lambda disk: disk.percent or 0.0)
    sample.disk_percent = fullest.percent
    if sample.disk_used_gb is None and fullest.used_bytes is not None:
        sample.disk_used_gb = min(fullest.used_bytes / GB, 1e9)


def fill_network(sample: Sample, interfaces: Sequence[Interface], summed: Collection[str]) -> None:
    """Take the sums over the real interfaces, when all are there with both counters."""
    real = {interface.name: interface for interface in interfaces if is_real_interface(interface.name)}
    expected = {name for name in summed if is_real_interface(name)}
    counts = [(one.rx_bytes, one.tx_bytes) for one in real.values()]
    if not real or not expected <= real.keys() or any(None in pair for pair in counts):
        return
    received, sent = (int(sum(side)) for side in zip(*counts, strict=True))
    if max(received, sent) <= 2**53:
        sample.network_rx_bytes, sample.network_tx_bytes = received, sent


def drop_partial_sums(sample: Sample, known_interfaces: Collection[str]) -> None:
    """Leave out network counters that are sums over some of the interfaces that the device has had lately."""
    names = {interface.name for interface in sample.interfaces or ()}
    if not {name for name in known_interfaces if is_real_interface(name)} <= names:
        sample.network_rx_bytes = sample.network_tx_bytes = None


def drop_other_disk(sample: Sample, known_disks: Collection[str]) -> None:
    """Leave out a disk that is not the system's, where the device has had one lately: it is in another part."""
    disks = {disk.name for disk in sample.disks or ()}
    if not disks.intersection(SYSTEM_DISKS) and set(SYSTEM_DISKS).intersection(known_disks):
        sample.disk_percent = sample.disk_used_gb = None


def is_real_interface(name: str) -> bool:
    """Return whether an interface connects the device itself, by its name."""
    return not UNREAL_INTERFACE.match(name)
