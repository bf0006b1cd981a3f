"""Filters that take several of some words, separated by commas."""

from typing import Any, ClassVar, get_args

from core.errors import RtsError


class InvalidChoiceError(RtsError):
    """This filter must be a comma-separated list of the words in `details`."""

    code: ClassVar[str] = "invalid_filter"
    status: ClassVar[int] = 422


def parse_choices(text: str | None, literal: Any) -> list[str] | None:
    """Return the words of a list, which must be among those of a Literal; raises InvalidChoiceError."""
    if text is None:
        return None
    words = [part.strip() for part in text.split(",")]
    if not set(words) <= set(get_args(literal)):
        raise InvalidChoiceError(details=list(get_args(literal)))
    return words
