"""Selects the file systems that are on a disk, not those of the kernel or of a container."""

PSEUDO = frozenset({
    "aufs", "autofs", "binfmt_misc", "bpf", "cgroup", "cgroup2", "configfs", "debugfs", "devfs", "devtmpfs", "efivarfs",
    "fusectl", "hugetlbfs", "iso9660", "mqueue", "nsfs", "overlay", "overlayfs", "proc", "pstore", "ramfs", "rootfs",
    "rpc_pipefs", "securityfs", "squashfs", "sysfs", "tmpfs", "tracefs",
})  # fmt: skip


def is_disk(file_system: str | None) -> bool:
    """Return whether a file system of this type holds data; an unknown type does."""
    return file_system is None or file_system.lower() not in PSEUDO
