"""Bounds of the build that a machine can check: sizes, packages, what the sources may not hold."""

import gzip
import json
import re
import subprocess
import sys
from pathlib import Path

from pages.files import STATIC
from tests.pages.builds import needs_build

WEB = Path(__file__).parents[2] / "web"
SOURCES = [path for path in (WEB / "src").rglob("*") if path.suffix in (".ts", ".tsx") and path.name != "schema.ts"]
MAX_FIRST_BYTES = 75_000  # scripts and styles that a page needs before it stands, packed
MAX_CODE_BYTES = 99_000  # all scripts and styles, packed
MAX_TEXT_BYTES = 12_000  # one language, packed
MAX_FILE = 250  # lines


def needed_by(script: Path) -> set[Path]:
    """Return a script and all that it imports before it runs, the first script among them."""
    needed, open_ones = set(), [script]
    while open_ones:
        path = open_ones.pop()
        if path not in needed:
            needed.add(path)
            imported = re.findall(r'(?:from|import)\s*"\./([\w.-]+\.js)"', path.read_text())
            open_ones += [path.parent / name for name in imported]
    return needed


@needs_build
def test_scripts_and_styles_stay_small() -> None:
    packed = {path: len(gzip.compress(path.read_bytes(), 9)) for path in (STATIC / "assets").iterdir()}
    code = sum(size for path, size in packed.items() if path.suffix in (".js", ".css"))
    styles = sum(size for path, size in packed.items() if path.suffix == ".css")
    for name in ("administration", "devices", "rules", "tabs", "work"):  # the files of web/src/later
        (entry,) = (STATIC / "assets").glob(f"{name}-*.js")
        assert styles + sum(packed[path] for path in needed_by(entry)) <= MAX_FIRST_BYTES, name
    texts = [size for path, size in packed.items() if path.suffix == ".json"]
    assert code <= MAX_CODE_BYTES
    assert max(texts) <= MAX_TEXT_BYTES


def test_three_packages_at_run_time_and_a_lock_without_addresses() -> None:
    package = json.loads((WEB / "package.json").read_text())
    assert set(package["dependencies"]) == {"preact", "@preact/signals", "uplot"}
    versions = {**package["dependencies"], **package["devDependencies"]}
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in versions.values())
    assert '"resolved"' not in (WEB / "package-lock.json").read_text()


def test_no_source_makes_html_or_code_from_text() -> None:
    forbidden = re.compile(
        r"innerHTML|outerHTML|insertAdjacentHTML|dangerouslySetInnerHTML|document\.write|\beval\(|new Function"
    )
    assert [path.name for path in SOURCES if forbidden.search(path.read_text())] == []


def test_files_hold_one_idea() -> None:
    texts = {"en.ts", "es.ts"}
    long = [path.name for path in SOURCES if path.name not in texts and path.read_text().count("\n") > MAX_FILE]
    assert long == []


def test_the_types_of_the_api_are_those_of_the_server() -> None:
    command = [sys.executable, str(WEB / "make_types.py"), "--check"]
    assert subprocess.run(command, check=False, cwd=WEB.parent).returncode == 0, "run `python web/make_types.py`"


def test_texts_of_both_languages_have_the_same_placeholders() -> None:
    places = {}
    for name in ("en", "es"):
        lines = (WEB / f"src/texts/{name}.ts").read_text()
        body = lines[lines.index(f"export const {name}") : lines.index("\n}", lines.index(f"export const {name}"))]
        places[name] = [sorted(set(re.findall(r"\{(\d)", line))) for line in body.splitlines()[1:]]
    assert places["en"] == places["es"]


@needs_build
def test_two_builds_are_the_same(tmp_path: Path) -> None:
    builds = []
    for number in range(2):
        out = tmp_path / str(number)
        command = [
            "npm",
            "run",
            "build",
            "--silent",
            "--prefix",
            str(WEB),
            "--",
            "--logLevel",
            "error",
            "--outDir",
            str(out),
        ]
        subprocess.run(command, check=True, capture_output=True)
        builds.append({path.relative_to(out): path.read_bytes() for path in out.rglob("*") if path.is_file()})
    assert builds[0] == builds[1]
