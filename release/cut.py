"""`make release VERSION=X.Y.Z`: writes version, changelog section and a snapshot of the schema.

It commits and publishes nothing: it prints the commands that do.
"""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

from packaging.version import InvalidVersion, Version

from release.components import ROOT

# The files that contain the version. The second file of npm has it twice, before the packages that it pins.
PLACES = {
    "pyproject.toml": (r'^version = "{old}"$', 'version = "{new}"', 1),
    "docker-compose.timescale.yml": (r"image: rts-agents:{old}$", "image: rts-agents:{new}", 0),
    "embedded/package.json": (r'"version": "{old}"', '"version": "{new}"', 1),
    "embedded/package-lock.json": (r'"version": "{old}"', '"version": "{new}"', 2),
}


class ReleaseError(Exception):
    """The release cannot be cut."""


def current_version(root: Path) -> str:
    """Return the version of the checkout at `root`."""
    version: str = tomllib.loads((root / "pyproject.toml").read_text())["project"]["version"]
    return version


def check_version(version: str, old: str) -> None:
    """Raise ReleaseError unless `given` is X.Y.Z and newer than `old`."""
    try:
        newer = Version(version) > Version(old)
    except InvalidVersion:
        newer = False
    if not newer or not re.fullmatch(r"\d+\.\d+\.\d+", version):
        raise ReleaseError(f"VERSION={version!r}: give X.Y.Z, newer than {old}.")


def write_version(root: Path, new: str) -> None:
    """Replace the version at each place. Raises ReleaseError where a place does not have it."""
    old = current_version(root)
    for name, (pattern, replacement, count) in PLACES.items():
        file = root / name
        place = re.compile(pattern.format(old=re.escape(old)), re.MULTILINE)
        text, replaced = place.subn(replacement.format(new=new), file.read_text(), count=count)
        if not replaced:
            raise ReleaseError(f"{name} does not have the version {old}.")
        file.write_text(text)


def main(version: str) -> int:
    """Write all of it; returns the exit status."""
    try:
        check_version(version, current_version(ROOT))
        write_version(ROOT, version)
    except ReleaseError as error:
        print(error, file=sys.stderr)
        return 1
    for module in (["towncrier", "build", "--yes", "--version", version], ["db.release_snapshot"]):
        subprocess.run([sys.executable, "-m", *module], cwd=ROOT, check=True)  # noqa: S603 - given is digits and dots
    print("Read CHANGELOG.md and the snapshot, run `make check test`, then:")
    print(f"  git add --all && git commit --message 'Release {version}'")
    print(f"  git tag --annotate v{version} --message 'RTS Agent Monitoring {version}'")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else ""))
