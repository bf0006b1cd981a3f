"""Selects the file systems that are on a disk, not those of the kernel or of a container, and names their places."""

import re

PSEUDO = frozenset({
    "aufs", "autofs", "binfmt_misc", "bpf", "cgroup", "cgroup2", "configfs", "debugfs", "devfs", "devtmpfs", "efivarfs",
    "fusectl", "hugetlbfs", "iso9660", "mqueue", "nsfs", "overlay", "overlayfs", "proc", "pstore", "ramfs", "rootfs",
    "rpc_pipefs", "securityfs", "squashfs", "sysfs", "tmpfs", "tracefs",
})  # fmt: skip
DRIVE = re.compile(r"[\\/]?([A-Za-z]:)[\\/ ]*")


def is_disk(file_system: str | None) -> bool:
    """Return whether a file system of this type holds data; an unknown type does."""
    return file_system is None or file_system.lower() not in PSEUDO


def mount_name(path: str) -> str:
    r"""Return the one name of a mount point: clients write a Windows drive as `C:`, `\C:` (Telegraf), `C:\` or `c:`."""
    drive = DRIVE.fullmatch(path)
    return drive[1].upper() if drive else path
