"""What simulated devices measure of each disk, interface and sensor; it agrees with the columns of the same sample.

Only the last days before the demo began have them: enough for every chart of a day, and the demo starts quickly.
"""

from datetime import datetime, timedelta
from typing import Any

from demo.series import Profile, wave

SINCE = timedelta(days=2)
GB = 1_000_000_000
WINDOWS_DISKS, LINUX_DISKS = ("C:", "D:"), ("/", "/var", "/srv")
SHARE_OF_FIRST = 0.8  # of the traffic, where a device has two interfaces


def parts_at(profile: Profile, sample: dict[str, Any], time: datetime, began: datetime) -> dict[str, Any]:
    """Return the lists of the sample that the device took at `time` (UTC); none before they are measured."""
    if time < began - SINCE:
        return {}
    return {
        "disks": disks(profile, sample["disk_percent"]),
        "interfaces": interfaces(profile, sample["network_rx_bytes"], sample["network_tx_bytes"]),
        "sensors": sensors(profile, sample["cpu_percent"], time),
    }


def disks(profile: Profile, fullest: float) -> list[dict[str, Any]]:
    """Return the device's disks, of which the second is the fullest where there are two or more."""
    is_linux = profile.kind in ("server", "vm")
    names = (LINUX_DISKS if is_linux else WINDOWS_DISKS)[: 1 + profile.number % 3]
    shares = [round(fullest * (0.9 - 0.2 * place), 1) for place in range(len(names))]
    shares[len(names) > 1] = fullest
    size = int(profile.disk_gb * GB / len(names))
    return [
        {"name": name, "type": "ext4" if is_linux else "NTFS", "percent": share, "size_bytes": size,
         "used_bytes": int(size * share / 100)}
        for name, share in zip(names, shares, strict=True)
    ]  # fmt: skip


def interfaces(profile: Profile, received: int, sent: int) -> list[dict[str, Any]]:
    """Return the device's interfaces, whose counters add up to those of the sample."""
    names = {"laptop": ("Wi-Fi", "Ethernet"), "desktop": ("Ethernet",), "server": ("eth0", "eth1")}
    first, *more = names.get(profile.kind, ("eth0",))
    if not more:
        return [{"name": first, "rx_bytes": received, "tx_bytes": sent}]
    main = int(received * SHARE_OF_FIRST), int(sent * SHARE_OF_FIRST)
    return [
        {"name": first, "rx_bytes": main[0], "tx_bytes": main[1]},
        {"name": more[0], "rx_bytes": received - main[0], "tx_bytes": sent - main[1]},
    ]


def sensors(profile: Profile, cpu: float, time: datetime) -> list[dict[str, Any]]:
    """Return the temperature of the processor; a virtual machine has none."""
    if profile.kind == "vm":
        return []
    return [{"name": "CPU", "celsius": round(34 + cpu * 0.45 + 2 * wave(profile, time.timestamp(), 4), 1)}]
