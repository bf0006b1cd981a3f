"""Values of simulated devices: a pure function of device and time, so a second run continues the same series.

Office hours, noise that hangs together, nightly backups, disks that fill, services that crash, reboots that reset
counters.
"""

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

DAY_SECONDS = 86_400
REBOOT_EVERY = timedelta(days=9)
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Profile:
    """The character of one simulated device."""

    number: int
    kind: str  # server, desktop, laptop or vm
    base_cpu: float  # percent at night
    busy_cpu: float  # percent added at noon
    memory_gb: float
    disk_gb: float
    disk_growth: float  # percent of the disk per day


def make_profile(number: int) -> Profile:
    """Return device `number` of the fleet, always the same."""
    random = Random(f"profile {number}")  # noqa: S311  a simulation, not a secret
    kind = random.choice(("server", "server", "desktop", "desktop", "laptop", "vm"))
    return Profile(
        number, kind, random.uniform(2, 12), random.uniform(15, 65), random.choice((8.0, 16.0, 32.0, 64.0)),
        random.choice((256.0, 512.0, 1000.0, 4000.0)), random.uniform(0.0, 0.6) + (3.0 if number % 17 == 5 else 0.0),
    )  # fmt: skip


def sample_at(profile: Profile, time: datetime, began: datetime) -> dict[str, Any]:
    """Return the sample that the device takes at `time` (UTC), in the form of the upload API."""
    seconds = time.timestamp()
    day = math.sin(math.pi * min(1.0, max(0.0, ((seconds % DAY_SECONDS) / 3600 - 7) / 12)))  # 7:00 to 19:00
    cpu = profile.base_cpu + profile.busy_cpu * day * (0.7 + 0.3 * wave(profile, seconds, 1)) + backup(time)
    cpu = min(100.0, max(0.0, cpu + 6 * wave(profile, seconds, 2)))
    memory = min(98.0, 35 + 20 * day + 8 * wave(profile, seconds, 3) + profile.number % 13)
    age_days = (time - began).total_seconds() / DAY_SECONDS
    disk = min(99.5, max(1.0, 45 + profile.number % 29 + profile.disk_growth * age_days))
    up = (time - EPOCH + timedelta(hours=7 * profile.number)) % REBOOT_EVERY
    uptime = int(up.total_seconds())
    return {
        "collected_at": time.isoformat(), "cpu_percent": round(cpu, 1),
        "memory_used_gb": round(profile.memory_gb * memory / 100, 2), "memory_percent": round(memory, 1),
        "disk_used_gb": round(profile.disk_gb * disk / 100, 2), "disk_percent": round(disk, 1),
        "load_average": None if profile.kind in ("desktop", "laptop") else [round(cpu / 50, 2)] * 3,
        "uptime_seconds": uptime,
        "network_rx_bytes": counter(profile, uptime, 40_000), "network_tx_bytes": counter(profile, uptime, 15_000),
        "services": services(profile, time),
    }  # fmt: skip


def wave(profile: Profile, seconds: float, kind: int) -> float:
    """Return noise in -1..1 that changes over minutes and hours, not from sample to sample."""
    phase = profile.number * 1.7 + kind * 11.3
    slow, fast = (
        math.sin(seconds / (3000 + 90 * kind) + phase),
        math.sin(seconds / (410 + 13 * kind) + 3 * phase),
    )
    return 0.6 * slow + 0.4 * fast


def backup(time: datetime) -> float:
    """Return the CPU percent that the nightly backup takes: half an hour from 02:00."""
    return 30.0 if time.hour == 2 and time.minute < 30 else 0.0


def counter(profile: Profile, uptime: int, per_second: int) -> int:
    """Return a byte counter since the last boot; it grows faster by day, and never falls but at a reboot."""
    swing = math.sin(2 * math.pi * uptime / DAY_SECONDS) * DAY_SECONDS / 9
    return max(0, int(per_second * (1 + profile.number % 5) * (uptime + swing)))


def services(profile: Profile, time: datetime) -> list[dict[str, Any]]:
    """Return the states of the device's services; one of them crashes now and then."""
    names = {"server": ("nginx", "postgresql", "sshd"), "vm": ("docker", "sshd")}.get(profile.kind, ("Spooler",))
    broken = profile.number % 11 == 3 and time.hour == 4
    return [
        {"name": name, "status": "stopped" if broken and name == names[0] else "running", "pid": None} for name in names
    ]
