"""Which tests need neither a database nor another process: exactly, and by a file's text, before it is imported.

`make test-unit` runs them. The text decides which files it collects, because to import all files takes longer than the
tests themselves. The text may admit too much, never too little: each whole collection compares.
"""

import inspect
import re
from functools import cache
from pathlib import Path

import pytest

HERE = Path(__file__).parent
# Tests here start processes: servers, demos, load runs, the embedded database itself.
PROCESS_FOLDERS = {"embedded", "loadtest", "whole"}
# A module that imports one of these, or a fixture that uses one, makes databases or starts processes by itself.
NOT_FOR_UNITS = {
    "fresh_database", "migrated_database", "EmbeddedServer", "CliRunner", "subprocess", "async_playwright",
}  # fmt: skip
IMPORT = re.compile(r"^(?:from .*? )?import (?:\([^)]*\)|.*)", re.MULTILINE)
FUNCTION = re.compile(r"^ *(?:async )?def (\w+)\(([^)]*)\)", re.MULTILINE)
ARGUMENT = re.compile(r"(\w+)(?=\s*(?::|,|=|$))")
PARAMETERS = re.compile(r"parametrize\(\s*(\([^)]*\)|\"[^\"]*\")")
WORD = re.compile(r"\w+")
Functions = dict[str, tuple[set[str], set[str]]]


def is_unit(item: pytest.Item) -> bool:
    """Return whether a test, with all its fixtures, needs neither a database nor another process."""
    if in_process_folder(item.path):
        return False
    fixtures = getattr(item, "_fixtureinfo").name2fixturedefs.values()  # noqa: B009  pytest has no public name for it
    used = {name for each in fixtures for one in each for name in inspect.unwrap(one.func).__code__.co_names}
    return not NOT_FOR_UNITS & (used | vars(getattr(item, "module", None) or object).keys())


def in_process_folder(path: Path) -> bool:
    return path.relative_to(HERE).parts[0] in PROCESS_FOLDERS


@cache
def may_have_units(path: Path) -> bool:
    """Return whether the text of a file, or of any file of a folder, may have tests for which `is_unit` holds."""
    if path.is_dir():
        return any(may_have_units(file) for file in path.rglob("test_*.py"))
    if in_process_folder(path):
        return False
    text = path.read_text()
    if NOT_FOR_UNITS & {name for line in IMPORT.findall(text) for name in WORD.findall(line)}:
        return False
    functions = fixtures_around(path.parent) | functions_of(text)
    given = {name for names in PARAMETERS.findall(text) for name in WORD.findall(names)}
    tests = (parts for name, parts in functions.items() if name.startswith("test_"))
    return any(not needs_more(arguments - given, functions) for arguments, _ in tests)


def functions_of(text: str) -> Functions:
    """Return the functions of a module by name: the names of their arguments, and the words of all the rest."""
    parts = FUNCTION.split(text)[1:]
    names, arguments, bodies = parts[::3], parts[1::3], parts[2::3]
    return {
        name: (set(ARGUMENT.findall(given)), set(WORD.findall(body)))
        for name, given, body in zip(names, arguments, bodies, strict=True)
    }


@cache
def fixtures_around(folder: Path) -> Functions:
    """Return the functions of the conftest files of a folder and of those above it."""
    conftest = folder / "conftest.py"
    own = functions_of(conftest.read_text()) if conftest.exists() else {}
    return own if folder == HERE else fixtures_around(folder.parent) | own


def needs_more(arguments: set[str], functions: Functions) -> bool:
    """Return whether a test of these arguments needs one of NOT_FOR_UNITS by its fixtures, or by theirs."""
    met: set[str] = set()
    waiting = set(arguments)
    while waiting:
        name = waiting.pop()
        met.add(name)
        if name in functions:
            further, words = functions[name]
            if NOT_FOR_UNITS & words:
                return True
            waiting |= further - met
    return False
