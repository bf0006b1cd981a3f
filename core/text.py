"""Text from outside: checks that PostgreSQL can store it, escapes for LIKE, names without invisible characters."""

import re
import unicodedata

# Terminal escape sequences as a whole: without their first character, the rest would stay as text.
ESCAPE_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
SPACES = re.compile(r"\s+")
# Unicode's categories of control and format characters (direction, zero width).
INVISIBLE = frozenset({"Cc", "Cf"})


def is_storable(text: str) -> bool:
    """Return whether `text` fits a text or jsonb column: no U+0000, no half of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        return False
    return "\0" not in text


def compose(text: str) -> str:
    """Return `text` in Unicode's form NFC, in which names are stored; unchanged if NFC would make it longer."""
    normalized = unicodedata.normalize("NFC", text)
    return normalized if len(normalized) <= len(text) else text


def like_literal(text: str) -> str:
    r"""Return `text` in NFC as a literal part of a LIKE pattern: `%`, `_` and `\` are escaped."""
    return compose(text).replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def clean_name(text: str) -> str:
    """Return a name in one line, in Unicode's form NFC, without control, direction and zero-width characters.

    It ends at U+0000, as in the C programs that send it; halves of surrogate pairs become U+FFFD. May return "".
    """
    if text.isascii() and text.isprintable():  # nearly all names
        return text.strip()
    text = text.partition("\0")[0].encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    text = SPACES.sub(" ", ESCAPE_SEQUENCE.sub("", text))
    text = "".join(one for one in text if unicodedata.category(one) not in INVISIBLE)
    return unicodedata.normalize("NFC", text).strip()
