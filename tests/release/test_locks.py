"""The lock files: hashed, without an address, in line with pyproject.toml, with what is installed and the image."""

import re
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from release.components import ROOT, LockFileError, locked

RUNNING, DEVELOPMENT = locked(ROOT / "requirements.lock"), locked(ROOT / "requirements-dev.lock")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
DIRECT = [Requirement(text) for text in PROJECT["dependencies"]]
TOOLS = [Requirement(text) for text in PROJECT["optional-dependencies"]["dev"]]
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def test_the_runtime_lock_is_a_part_of_the_development_lock() -> None:
    assert {name: DEVELOPMENT.get(name) for name in RUNNING} == RUNNING


@pytest.mark.parametrize("requirement", DIRECT, ids=str)
def test_dependencies_are_locked_at_versions_that_fit(requirement: Requirement) -> None:
    version, hashes = RUNNING[canonicalize_name(requirement.name)]
    assert requirement.specifier.contains(version)
    assert hashes


def test_no_tool_of_development_is_in_the_running_lock() -> None:
    names = {canonicalize_name(tool.name) for tool in TOOLS}
    assert names <= DEVELOPMENT.keys()
    assert not names & RUNNING.keys()


@pytest.mark.parametrize("name", DEVELOPMENT)
def test_installed_versions_equal_the_lock(name: str) -> None:
    assert metadata.version(name) == DEVELOPMENT[name][0]


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_a_lock_file_holds_neither_an_address_nor_a_path(name: str) -> None:
    assert not re.search(r"https?://|file://|--(extra-)?index|--find-links|^\s*-[a-z] |/", (ROOT / name).read_text())


@pytest.mark.parametrize(
    "line", ["requests==2.0", "requests", "--index-url x", "requests>=2 \\\n    --hash=sha256:" + "0" * 64]
)
def test_a_lock_file_with_a_line_that_pins_nothing_is_refused(tmp_path: Path, line: str) -> None:
    path = tmp_path / "odd.lock"
    path.write_text(f"# comment\ngood==1.0 \\\n    --hash=sha256:{'a' * 64}\n{line}\n")
    with pytest.raises(LockFileError):
        locked(path)


def test_the_image_installs_only_what_runs_by_hash_and_does_not_run_as_root() -> None:
    installs = re.findall(r"pip install (.*)", DOCKERFILE)
    assert "--require-hashes -r requirements.lock" in installs[0]
    assert all("--no-deps" in install for install in installs[1:])
    assert "requirements-dev.lock" not in DOCKERFILE
    instructions = re.findall(r"^(FROM|RUN|USER|ENTRYPOINT|CMD) (.*)$", DOCKERFILE, re.MULTILINE)
    assert [user for name, user in instructions if name == "USER"] == ["rts"]
    assert instructions[-3:][0] == ("USER", "rts")
