"""The import contracts: ARCHITECTURE.md lists the same floors, and each forbidden import is found."""

import itertools
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINTER = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
CONTRACTS = {contract["name"]: contract for contract in LINTER["contracts"]}


def floors_of(contract: str) -> list[list[str]]:
    """Return the floors of a contract from top to bottom, each as the modules on it."""
    return [re.split(r" [|:] ", floor) for floor in CONTRACTS[contract]["layers"]]


def test_the_document_lists_the_floors_of_the_contract() -> None:
    rows = re.findall(r"^\| (\d+) \| `(\w+)/` \|", (ROOT / "ARCHITECTURE.md").read_text(), re.MULTILINE)
    floors: dict[int, list[str]] = {}
    for floor, folder in rows:
        floors.setdefault(int(floor), []).append(folder)
    assert list(floors) == list(range(len(floors) - 1, -1, -1))
    assert list(floors.values()) == floors_of("floors")


def test_every_package_stands_on_a_floor() -> None:
    packages = {file.parent.name for file in ROOT.glob("*/__init__.py")} - {"tests"}
    assert packages == set(LINTER["root_packages"])
    assert packages == {folder for floor in floors_of("floors") for folder in floor}


@pytest.mark.parametrize("contract", CONTRACTS)
def test_an_import_from_a_floor_above_breaks_the_contract(contract: str, tmp_path: Path) -> None:
    copy = copy_packages(tmp_path)
    floors = floors_of(contract)
    (container,) = CONTRACTS[contract].get("containers", [""])
    prefix = f"{container}." if container else ""
    forbidden = [
        (f"{prefix}{low}", f"{prefix}{high}")
        for above, below in itertools.pairwise(floors)
        for low in below
        for high in above
    ]
    for importer, imported in forbidden:
        add_import(copy, importer, imported)
    output = lint(copy)
    for importer, imported in forbidden:
        assert f"{importer} is not allowed to import {imported}" in output


def copy_packages(target: Path) -> Path:
    """Copy the packages and the contracts, without tests and installed modules."""
    for package in LINTER["root_packages"]:
        ignored = shutil.ignore_patterns("node_modules", "__pycache__", "results", "static")
        shutil.copytree(ROOT / package, target / package, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", target)
    return target


def add_import(copy: Path, importer: str, imported: str) -> None:
    """Import one module from another one; a package imports in its `__init__`."""
    path = copy / importer.replace(".", "/")
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    with file.open("a") as source:
        source.write(f"\nimport {imported}\n")


def lint(copy: Path) -> str:
    """Run the contracts over a copy and return what is reported; it must report something."""
    program = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    run = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(copy)!r}); {program}"],
        cwd=copy, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 1, run.stdout + run.stderr
    return run.stdout
