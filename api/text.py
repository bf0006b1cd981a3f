"""Text that PostgreSQL can store: no U+0000 and no half of a surrogate pair."""

from typing import Annotated

from pydantic import AfterValidator, StringConstraints


def storable(text: str) -> str:
    """Return `text`; raises ValueError for characters that PostgreSQL refuses."""
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("holds a character that can't be stored")
    return text


StorableText = Annotated[str, AfterValidator(storable)]
# The constraints come first: what is left of a blank name after stripping must still be refused.
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=255), AfterValidator(storable)]
