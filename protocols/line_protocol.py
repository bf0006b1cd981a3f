"""The grammar of Influx line protocol: lines → points. A line that can't be read costs only itself.

Grammar: docs.influxdata.com, "Line protocol". Clients send what its text leaves open: a raw newline inside a quoted
string, CRLF, comments, tags in any order, no timestamp.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

NAME = r"(?:[^,=\s\\]|\\.)+"
SERIES = re.compile(rf"((?:[^,\s\\]|\\.)+)((?:,{NAME}=(?:[^,=\s\\]|\\.|=)+)*)[ \t]+", re.DOTALL)
TAG = re.compile(rf",({NAME})=((?:[^,\s\\]|\\.)+)", re.DOTALL)
FIELD = re.compile(rf'({NAME})=("(?:[^"\\]|\\.)*"|[^,\s"]+)(,?)', re.DOTALL)
TIME = re.compile(r"[ \t]+(-?[0-9]{1,19})[ \t]*|[ \t]*")  # 64 bits, as InfluxDB has it
NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
ESCAPE = re.compile(r"\\.")
ESCAPED = re.compile(r"\\([,= ])")
SHOWN = 120


@dataclass(slots=True)
class Point:
    """One line: numeric fields only; texts and booleans are not measurements. `time` is in the request's precision."""

    measurement: str
    tags: dict[str, str]
    fields: dict[str, float]
    time: int | None


@dataclass(slots=True)
class BadLine:
    """A line that can't be read."""

    number: int
    text: str


def parse_lines(body: str) -> Iterator[Point | BadLine]:
    """Yield the points of a body in order, and the lines that can't be read."""
    for number, line in logical_lines(body):
        yield parse_line(line) or BadLine(number, line[:SHOWN])


def logical_lines(body: str) -> Iterator[tuple[int, str]]:
    """Yield lines with their numbers from 1; a string that is open at the end of a line continues in the next one."""
    lines = body.split("\n")
    number = 0
    while number < len(lines):
        first, line = number, lines[number].rstrip("\r")
        number += 1
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if has_odd_quotes(line) and has_open_string(line):
            # Only the next line with an odd number of quotes can close the string: one attempt for each open string.
            end = next((n for n in range(number, len(lines)) if has_odd_quotes(lines[n])), None)
            if end is not None and is_one(lines[first : end + 1]):
                line, number = "\n".join(lines[first : end + 1]).rstrip("\r"), end + 1
        yield first + 1, line.strip(" \t")


def has_open_string(line: str) -> bool:
    """Return whether the fields of a line end inside a string."""
    return parse_line(line.strip(" \t")) is None and parse_line(line.strip(" \t") + '"') is not None


def has_odd_quotes(line: str) -> bool:
    """Return whether a line has an odd number of quotes that are not escaped."""
    return ESCAPE.sub("", line).count('"') % 2 == 1


def is_one(lines: list[str]) -> bool:
    """Return whether these lines are one logical line: together they parse as one point."""
    return parse_line("\n".join(lines).rstrip("\r").strip(" \t")) is not None


def parse_line(line: str) -> Point | None:
    """Return the point of one line; None when it can't be read."""
    series = SERIES.match(line)
    if series is None:
        return None
    fields: dict[str, float] = {}
    position, more = series.end(), True
    while more:
        field = FIELD.match(line, position)
        if field is None:
            return None
        value = parse_number(field[2])
        if value is None and not is_other(field[2]):
            return None
        if value is not None:
            fields[unescape(field[1])] = value
        position, more = field.end(), bool(field[3])
    time = TIME.fullmatch(line, position)
    if time is None:
        return None
    tags = {unescape(tag[1]): unescape(tag[2]) for tag in TAG.finditer(series[2])}
    return Point(unescape(series[1]), tags, fields, int(time[1]) if time[1] else None)


def parse_number(text: str) -> float | None:
    """Return a field as a number: a float, or an integer with its suffix `i` or `u`."""
    digits = text[:-1] if text[-1] in "iu" else text
    return float(digits) if NUMBER.fullmatch(digits) and len(digits) <= 400 else None


def is_other(text: str) -> bool:
    """Return whether a field is a text or a boolean."""
    return text.startswith('"') or text in {"t", "T", "true", "True", "TRUE", "f", "F", "false", "False", "FALSE"}


def unescape(text: str) -> str:
    """Return a name without the backslashes before commas, equals signs and spaces."""
    return ESCAPED.sub(r"\1", text) if "\\" in text else text
