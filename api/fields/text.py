"""Text in requests: types that accept only text that PostgreSQL can store."""

from typing import Annotated

from pydantic import AfterValidator, StringConstraints

from core.text import compose, is_storable


def storable(text: str) -> str:
    """Return `text` in Unicode's form NFC; raises ValueError for characters that PostgreSQL refuses."""
    if not is_storable(text):
        raise ValueError("contains a character that cannot be stored")
    return compose(text)


StorableText = Annotated[str, AfterValidator(storable)]
# A type of command or event, named by people or programs. Not StorableText: a pattern behind a function would be
# missing in the OpenAPI document.
Word = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^[a-z][a-z0-9_.-]{0,99}$")]
# The constraints come first, so that a blank name is refused after stripping.
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=255), AfterValidator(storable)]
# Blank text becomes null.
Text2000 = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=2000),
    AfterValidator(storable),
    AfterValidator(lambda text: text or None),
]
