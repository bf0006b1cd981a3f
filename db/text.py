"""Text that PostgreSQL can store: no U+0000 and no half of a surrogate pair."""


def is_storable(text: str) -> bool:
    """Tell whether `text` fits a text or jsonb column."""
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        return False
    return "\0" not in text
