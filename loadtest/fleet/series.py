"""What simulated agents measure: plain arithmetic on agent and time, cheap enough for a million samples.

The values matter only in that they differ, compress about as well as real ones and can be checked afterwards.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

# Times are counted in whole milliseconds from here, so that their sum over any run fits into a bigint.
EPOCH = datetime(2020, 1, 1, tzinfo=UTC)
SERVICES = [{"name": "Spooler", "status": "running", "pid": 812}, {"name": "sshd", "status": "running", "pid": 640}]


SERIES_EVERY = 4  # one agent of so many sends disks and interfaces as well
SERIES_VALUES = 3  # of one of its samples


def to_ms(time: float) -> int:
    """Return Unix seconds as milliseconds since EPOCH."""
    return round((time - EPOCH.timestamp()) * 1000)


def to_text(ms: int) -> str:
    """Return milliseconds since EPOCH as RFC 3339, in UTC."""
    return (EPOCH + timedelta(milliseconds=ms)).isoformat()


def cpu_tenths(number: int, ms: int, seed: int = 0) -> int:
    """Return the CPU of agent `number` at a time, in tenths of a percent, 0..1000."""
    return (number * 7919 + ms // 1000 * 37 + seed * 101) % 1001


def sample_at(number: int, ms: int, tenths: int) -> dict[str, Any]:
    """Return the sample of agent `number` at `ms`, in the form of the upload API."""
    memory, up = (number * 31 + ms // 60_000) % 700 / 10 + 20, ms // 1000
    return {
        "collected_at": to_text(ms), "cpu_percent": tenths / 10,
        "memory_used_gb": round(memory * 0.16, 2), "memory_percent": memory,
        "disk_used_gb": 120.0 + number % 300, "disk_percent": 30.0 + number % 60,
        "load_average": [tenths / 500, tenths / 600, tenths / 700], "uptime_seconds": up,
        "network_rx_bytes": up * (1000 + number % 97), "network_tx_bytes": up * (400 + number % 89),
        "services": SERVICES,
    }  # fmt: skip


def parts_at(number: int, ms: int, tenths: int) -> dict[str, Any]:
    """Return the lists of a sample, SERIES_VALUES values of series; the disk is as full as the CPU is busy."""
    up = ms // 1000
    return {
        "disks": [{"name": "C:", "type": "NTFS", "percent": tenths / 10}],
        "interfaces": [{"name": "eth0", "rx_bytes": up * (1000 + number % 97), "tx_bytes": up * (400 + number % 89)}],
    }
