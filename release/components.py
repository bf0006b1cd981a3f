"""Lock files and installed metadata → the components that a release runs."""

import json
import re
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PINNED = re.compile(r"^([A-Za-z0-9_.-]+)==(\S+)((?: \\\n    --hash=sha256:[0-9a-f]{64})+)$", re.MULTILINE)
OTHER_LINE = re.compile(r"^(?!#|    --hash=sha256:[0-9a-f]{64}).+", re.MULTILINE)
MAX_LICENCE = 60  # characters; longer ones are the text of the licence itself
# Names of licences that packages use beside the identifiers of SPDX.
IDENTIFIERS = {
    "MIT License": "MIT", "ISC License": "ISC", "ISC License (ISCL)": "ISC", "3-Clause BSD License": "BSD-3-Clause",
    "Apache Software License": "Apache-2.0", "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
}  # fmt: skip

Ecosystem = Literal["pypi", "npm"]


class LockFileError(Exception):
    """A lock file has a line without a version and hashes: write it again with `make lock`."""


class UnknownLicenceError(Exception):
    """A package does not state its licence in a known form: add it to IDENTIFIERS in release/components.py."""


@dataclass(frozen=True, slots=True)
class Component:
    """One package of a lock file.

    `hashes` are those of its files, as (algorithm of CycloneDX, hexadecimal digits); `needs` are names of others.
    """

    ecosystem: Ecosystem
    name: str
    version: str
    licence: str
    hashes: tuple[tuple[str, str], ...]
    needs: tuple[str, ...] = field(default=())


def locked(path: Path) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Return the version and the SHA-256 hashes of each package of a lock file; raises LockFileError."""
    text = path.read_text()
    pins = {match[1]: (match[2], tuple(re.findall("[0-9a-f]{64}", match[3]))) for match in PINNED.finditer(text)}
    if len(OTHER_LINE.findall(text)) != len(pins) or not pins:
        raise LockFileError(f"{path.name} has a line without a version and hashes: write it again with `make lock`.")
    return pins


def python_components(lock: Path = ROOT / "requirements.lock") -> list[Component]:
    """Return the Python packages that a release runs, by name; they must be installed."""
    packages = locked(lock)
    return [
        Component(
            "pypi", name, version, read_licence(metadata.metadata(name)), tuple(("SHA-256", one) for one in hashes),
            tuple(sorted(list_requirements(name) & packages.keys())),
        )
        for name, (version, hashes) in sorted(packages.items())
    ]  # fmt: skip


def list_requirements(name: str) -> set[str]:
    """Return the names of the packages that one needs here, those of its extras left out."""
    requirements = (Requirement(text) for text in metadata.requires(name) or ())
    return {
        canonicalize_name(one.name) for one in requirements if one.marker is None or one.marker.evaluate({"extra": ""})
    }


def read_licence(about: Any) -> str:
    """Return the licence of a package by its metadata, as an expression of SPDX; raises UnknownLicenceError."""
    short = (about.get("License") or "").strip()
    classifiers = [
        line.rpartition(" :: ")[2] for line in about.get_all("Classifier") or () if line.startswith("License")
    ]
    if expression := about.get("License-Expression"):
        return str(expression)
    if short and "\n" not in short and len(short) <= MAX_LICENCE:
        return IDENTIFIERS.get(short, short)
    if len(classifiers) == 1 and classifiers[0] in IDENTIFIERS:
        return IDENTIFIERS[classifiers[0]]
    raise UnknownLicenceError(f"{about['Name']} does not declare its licence: add it in release/components.py.")


def npm_components(lock: Path) -> Iterator[Component]:
    """Yield the npm packages of a lock file that are more than tools of the build."""
    for path, package in json.loads(lock.read_text())["packages"].items():
        if path and not package.get("dev"):
            name = path.rpartition("node_modules/")[2]
            algorithm, _, digest = package["integrity"].partition("-")
            hashes = ((algorithm.upper().replace("SHA", "SHA-"), b64decode(digest).hex()),)
            needs = tuple(sorted(package.get("dependencies", {})))
            yield Component("npm", name, package["version"], package["license"], hashes, needs)


def components() -> list[Component]:
    """Return everything that a release runs: Python packages, scripts of the pages, the embedded database."""
    npm = (npm_components(ROOT / folder / "package-lock.json") for folder in ("web", "embedded"))
    return python_components() + sorted((one for group in npm for one in group), key=lambda one: one.name)
