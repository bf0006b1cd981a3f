"""Metrics of this machine, by psutil. Gigabytes are 10**9 bytes, percentages 0..100."""

import platform
import re
import socket
import time
from datetime import UTC, datetime
from typing import Any

import psutil

from agent.instances import UNREAL_INTERFACES, instances
from agent.measured import measured

GB = 1e9
WATCHED_PROCESSES = 6
OS_TYPES = {"Linux": "linux", "Windows": "windows", "Darwin": "macos"}
# What goes through them also goes through a real adapter, and would be counted twice.
TUNNELS = re.compile(r"^(tun\d*|tap\d*|utun\d*|wg\d*|sit\d*|isatap.*|kube.*|vmnet\d*)$", re.IGNORECASE)
# The state of a process → the state of a service.
STATES = {psutil.STATUS_STOPPED: "stopped", psutil.STATUS_ZOMBIE: "error", psutil.STATUS_DEAD: "stopped"}


def describe_machine() -> dict[str, Any]:
    """Return the facts about this machine for /register."""
    return {
        "hostname": socket.gethostname(),
        "os_type": OS_TYPES.get(platform.system(), "linux"),
        "os_version": platform.release()[:255],
        "os_architecture": platform.machine(),
        "device_type": "server",
        "cpu_model": (platform.processor() or platform.machine())[:255],
        "total_memory_gb": round(psutil.virtual_memory().total / GB, 2),
        "total_disk_gb": round(psutil.disk_usage("/").total / GB, 2),
    }


class Collector:
    """Takes samples; CPU use is counted between one sample and the next."""

    def __init__(self) -> None:
        psutil.cpu_percent()  # the first reading only starts the count
        self._watched = largest_processes()

    def sample(self) -> dict[str, Any]:
        """Return one sample in the form of the upload API; a metric that cannot be measured is null or missing."""
        at = datetime.now(UTC).isoformat()
        memory, disk = measured("memory", psutil.virtual_memory), measured("the disk", lambda: psutil.disk_usage("/"))
        cpu, boot = measured("CPU", psutil.cpu_percent), measured("the start", psutil.boot_time)
        loads, network = measured("load", psutil.getloadavg), measured("the network", network_totals)
        services = measured("processes", self.watched)
        return {
            "collected_at": at,
            "cpu_percent": None if cpu is None else min(100.0, cpu),
            "memory_used_gb": (memory.total - memory.available) / GB if memory else None,
            "memory_percent": memory.percent if memory else None,
            "disk_used_gb": disk.used / GB if disk else None,
            "disk_percent": disk.percent if disk else None,
            "load_average": list(loads) if loads else None,
            "uptime_seconds": None if boot is None else max(0, int(time.time() - boot)),
            "network_rx_bytes": network[0] if network else None,
            "network_tx_bytes": network[1] if network else None,
        } | ({} if services is None else {"services": services}) | instances()  # fmt: skip

    def watched(self) -> list[dict[str, Any]]:
        """Return the watched processes as services; a restarted process keeps its place under its new pid."""
        states = {name: state_of(name, pid) for name, pid in self._watched.items()}
        stopped = {name for name, state in states.items() if state["status"] == "stopped"}
        for process in psutil.process_iter(["pid", "name"]) if stopped else ():
            name = process.info["name"]
            if name in stopped and states[name]["status"] == "stopped":
                self._watched[name] = process.info["pid"]
                states[name] = state_of(name, process.info["pid"])
        return list(states.values())


def network_totals() -> tuple[int, int] | None:
    """Return the bytes that real adapters received and sent since the start; None when there is no adapter."""
    adapters = [
        counters
        for name, counters in psutil.net_io_counters(pernic=True).items()
        if not UNREAL_INTERFACES.match(name) and not TUNNELS.match(name)
    ]
    if not adapters:
        return None
    return sum(one.bytes_recv for one in adapters), sum(one.bytes_sent for one in adapters)


def largest_processes() -> dict[str, int]:
    """Return the processes with the most memory, name → pid, each name once."""
    processes = [process.info for process in psutil.process_iter(["pid", "name", "memory_info"])]
    named = [info for info in processes if info["name"] and info["memory_info"]]
    named.sort(key=lambda info: info["memory_info"].rss, reverse=True)
    watched: dict[str, int] = {}
    for info in named:
        if len(watched) < WATCHED_PROCESSES:
            watched.setdefault(info["name"], info["pid"])
    return watched


def state_of(name: str, pid: int) -> dict[str, Any]:
    """Return a watched process as a service; a missing process is `stopped`."""
    try:
        process = psutil.Process(pid)
        if process.name() != name:  # the pid was given to another process
            return {"name": name, "status": "stopped", "pid": None}
        return {"name": name, "status": STATES.get(process.status(), "running"), "pid": pid}
    except psutil.NoSuchProcess:
        return {"name": name, "status": "stopped", "pid": None}
    except psutil.AccessDenied:
        return {"name": name, "status": "running", "pid": pid}
