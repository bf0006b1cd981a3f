"""Faults in a sample: a code and a message. A sample that is accepted without its faulty part gets a note."""

from typing import Any

from ingest.samples import Note

MAX_NOTES = 1000  # in one receipt; the others are counted
SHOWN = 80  # characters of a faulty value that a message repeats
NAME_SHOWN = 100


class FaultError(Exception):
    """A part of a sample, or all of it, cannot be accepted; `code` is stable, `message` names field and value."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Notes:
    """The notes of one upload, bounded; `index` is the sample that is being read."""

    def __init__(self) -> None:
        self.index = 0
        self.kept: list[Note] = []
        self.left_out = 0

    def add(self, field: str, fault: FaultError) -> None:
        """Note a fault of the sample that is being read."""
        if len(self.kept) < MAX_NOTES:
            name = field if field.isascii() and field.isprintable() else ascii(field)[1:-1]
            self.kept.append(Note(self.index, name[:NAME_SHOWN], fault.code, fault.message))
        else:
            self.left_out += 1


def short_form(value: Any) -> str:
    """Return a short, printable form of a faulty value."""
    try:
        text = ascii(value[: SHOWN + 1] if isinstance(value, str) else value)
    except (RecursionError, ValueError):  # nested too deeply, or a number of thousands of digits
        text = f"a {type(value).__name__}"
    return text if len(text) <= SHOWN else text[:SHOWN] + "…"
