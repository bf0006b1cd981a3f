"""The rules that an MSP would switch on first for a business, as a table of values."""

from typing import Any


def default(alert_type: str, alert_name: str, severity: str, description: str, **more: Any) -> dict[str, Any]:
    """Return one rule as column values; other columns have the defaults of a new rule."""
    return {"alert_type": alert_type, "alert_name": alert_name, "severity": severity, "description": description} | more


def above(metric: str, threshold: float, recovery: float, minutes: float) -> dict[str, Any]:
    """Return the condition that all samples of some minutes lie above a threshold."""
    return {
        "metric": metric, "operator": ">", "threshold": threshold, "duration_minutes": minutes,
        "recovery_threshold": recovery,
    }  # fmt: skip


# Mounts that are full by nature or are no disk of the device: images, removable media, layers of containers.
NO_DISKS = ["/snap/*", "/var/lib/snapd/*", "/var/lib/docker/*", "/media/*", "/cdrom*", "/run/*"]
EACH_DISK = {"instance": "*", "except_instances": NO_DISKS}


DEFAULTS = (
    # Backups and updates use the processor for minutes too; a quarter of an hour without a pause is unusual.
    default(
        "cpu_percent_high", "CPU busy", "warning", "The processor has been above 90 % for 15 minutes.",
        conditions=above("cpu_percent", 90, 80, 15),
    ),
    # Above 95 % a device swaps and everything on it waits; 90 % is normal for many servers.
    default(
        "memory_percent_high", "Memory short", "warning", "The memory has been above 95 % for 15 minutes.",
        conditions=above("memory_percent", 95, 90, 15),
    ),
    # Time to clean up. Recovery at 88 %: a disk that varies around 90 % must not open an alert each time.
    # One rule for the fullest disk, since many agents send no other, and one for each disk, since the fullest hides the
    # others; both share a ticket.
    default(
        "disk_percent_high", "Fullest disk filling", "warning", "The fullest disk is more than 90 % full.",
        conditions=above("disk_percent", 90, 88, 10), keep_firing_minutes=30,
    ),
    default(
        "disk_percent_high", "Disk filling", "warning", "A disk is more than 90 % full.",
        conditions=above("disk.percent", 90, 88, 10) | EACH_DISK, keep_firing_minutes=30,
    ),
    # Urgent: databases and mail servers will stop soon. A separate rule, so that the alert above keeps its severity.
    default(
        "disk_percent_critical", "Fullest disk nearly full", "critical", "The fullest disk is more than 95 % full.",
        conditions=above("disk_percent", 95, 93, 10), keep_firing_minutes=30,
    ),
    default(
        "disk_percent_critical", "Disk nearly full", "critical", "A disk is more than 95 % full.",
        conditions=above("disk.percent", 95, 93, 10) | EACH_DISK, keep_firing_minutes=30,
    ),
    # Two weeks leave time to order a disk or to clean up in the next maintenance.
    default(
        "disk_percent_forecast", "Fullest disk full within two weeks", "warning",
        "As it has grown, the fullest disk will be full within 14 days.",
        conditions={"metric": "disk_percent", "reaches": 100, "within_days": 14}, keep_firing_minutes=60,
    ),
    default(
        "disk_percent_forecast", "Disk full within two weeks", "warning",
        "As it has grown, a disk will be full within 14 days.",
        conditions={"metric": "disk.percent", "reaches": 100, "within_days": 14} | EACH_DISK, keep_firing_minutes=60,
    ),
    # Only servers: a workstation may be switched off in the evening. A restart takes less time.
    default(
        "server_offline", "Server offline", "critical", "A server has made no contact for 15 minutes.",
        device_type="server", conditions={"offline_minutes": 15},
    ),
    # Virtual machines are mostly servers. A rule has one device type, so where they are desktops only this one is
    # disabled.
    default(
        "vm_offline", "Virtual machine offline", "critical",
        "A virtual machine has made no contact for 15 minutes.",
        device_type="vm", conditions={"offline_minutes": 15},
    ),
    # Five minutes, so that a restart by an update opens no alert.
    default(
        "service_down", "Service down", "critical", "A service that should be running hasn't run for 5 minutes.",
        conditions={"service": "*", "duration_minutes": 5},
    ),
    # The agent may still send heartbeats but no measurements. Only servers, for the same reason as above.
    default(
        "no_data", "No data", "warning", "A server has sent no measurements for an hour.",
        device_type="server", conditions={"no_data_minutes": 60},
    ),
    default(
        "vm_no_data", "No data of a virtual machine", "warning",
        "A virtual machine has sent no measurements for an hour.",
        device_type="vm", conditions={"no_data_minutes": 60},
    ),
)  # fmt: skip
