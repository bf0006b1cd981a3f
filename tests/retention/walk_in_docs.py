"""The outputs of commands in docs/retention.md, compared with those of a test by their words: numbers may differ."""

import re
from collections.abc import Iterator
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "retention.md"
BLOCK = re.compile(r"^ *```\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
ELLIPSIS = "…"  # a line of the page that stands for any lines of the output
BORDERS = "┏┡└├"
SAME = (
    (re.compile(r"\S+@\S+"), "name@host"),
    (re.compile(r"\S*plan\.json"), "plan.json"),
    (re.compile(r"\d[\d,.:]*\d|\d"), "0"),
    (re.compile(r"0-0-0( 0)?"), "date"),
    (re.compile(r"0 (bytes|kB|MB|GB)"), "0 B"),
    (re.compile(r"[┃│]"), "|"),
    (re.compile(r"\s+"), " "),
)


def walk_in_docs() -> Iterator[tuple[list[str], list[str]]]:
    """Yield the arguments of each `$ rts-agents …` of the page, and the lines below it."""
    for block in BLOCK.findall(PAGE.read_text()):
        lines = [line.strip() for line in block.splitlines()]
        if lines[0].startswith("$ rts-agents "):
            yield lines[0].split()[2:], lines[1:]


def words_of(lines: list[str], name: str) -> list[str]:
    """Return lines without borders and titles of tables, with the same word for every number, size, date and name."""
    words = []
    for line in lines:
        text = line.strip().replace(name, "rts")
        for pattern, same in SAME:
            text = pattern.sub(same, text)
        if text.strip() and text[0] not in BORDERS:
            words.append(text.strip())
    return words


def differences(page: list[str], output: str, name: str) -> list[str]:
    """Return the lines of the page that the output has not, in this order, and those that the page leaves out."""
    shown, told = words_of(output.splitlines(), name), words_of(page, "rts")
    faults, place, may_skip = [], 0, False
    for line in told:
        if line == ELLIPSIS:
            may_skip = True
        elif line not in shown[place:]:
            faults.append(f"only on the page: {line}")
        else:
            reached = shown.index(line, place)
            faults += [] if may_skip else [f"not on the page: {left}" for left in shown[place:reached]]
            place, may_skip = reached + 1, False
    return faults + ([] if may_skip else [f"not on the page: {left}" for left in shown[place:]])
