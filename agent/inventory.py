"""Lists the software of this machine: Debian's or RPM's packages if there are any, else its Python packages."""

import shutil
import subprocess
from importlib.metadata import distributions
from typing import Any

MAX_ENTRIES = 10_000
LISTINGS = {
    "dpkg-query": ["--show", "--showformat", "${Package}\t${Version}\t${Maintainer}\n"],
    "rpm": ["--query", "--all", "--queryformat", "%{NAME}\t%{VERSION}-%{RELEASE}\t%{VENDOR}\n"],
}


def list_software() -> list[dict[str, Any]]:
    """Return the machine's software in the form of the inventory API."""
    for program, arguments in LISTINGS.items():
        path = shutil.which(program)
        if path:
            listed = subprocess.run(  # noqa: S603
                [path, *arguments], capture_output=True, text=True, errors="replace", timeout=60, check=False
            )
            return [entry(*line.split("\t")) for line in listed.stdout.splitlines()][:MAX_ENTRIES]
    return [entry(package.name, package.version, "") for package in distributions()][:MAX_ENTRIES]


def entry(name: str, version: str = "", vendor: str = "") -> dict[str, Any]:
    return {
        "software_name": name[:512], "software_version": version[:255] or None, "vendor": vendor[:255] or None,
        "software_type": "system",
    }  # fmt: skip
