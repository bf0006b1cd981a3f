"""Text for PostgreSQL: what it can store (no U+0000, no half of a surrogate pair), what LIKE takes as it stands."""


def is_storable(text: str) -> bool:
    """Tell whether `text` fits a text or jsonb column."""
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        return False
    return "\0" not in text


def like_literal(text: str) -> str:
    r"""Return `text` as a part of a LIKE pattern that stands for itself: `%`, `_` and `\` mean nothing more."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
