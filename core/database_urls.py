"""Session settings in a database URL, in a form that asyncpg and libpq both accept."""

from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit


def with_setting(url: str, name: str, value: str) -> str:
    """Return `url` with a setting for each of its sessions; it replaces a setting of the same name."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    escaped = value.replace("\\", "\\\\").replace(" ", "\\ ")
    query["options"] = f"{query.get('options', '')} -c {name}={escaped}".strip()
    return urlunsplit(parts._replace(query=urlencode(query, quote_via=quote)))


def with_schema(url: str, schema: str) -> str:
    """Return `url` with the search path `schema`, then `public`, which has the platform's tables."""
    return with_setting(url, "search_path", f"{schema},public") if schema and url else url
