"""The headers of pages and assets: what a page may load, who may frame it, how long it may be kept."""

from collections.abc import Sequence

YEAR_SECONDS = 31_536_000

# `trusted-types 'none'`: no script may make HTML or script from text. `form-action` and `base-uri` close what is left.
POLICY = (
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data: blob:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'self'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
)
COMMON = [(b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"same-origin")]


def headers_of_page(origins: Sequence[str]) -> list[tuple[bytes, bytes]]:
    """Return the headers of a page that pages of `origins` may show in a frame."""
    ancestors = " ".join(origins) or "'none'"
    policy = "; ".join((*POLICY, f"frame-ancestors {ancestors}"))
    return [
        *COMMON,
        (b"content-security-policy", policy.encode()),
        (b"cache-control", b"no-cache"),
        (b"cross-origin-opener-policy", b"same-origin"),
        (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
    ]


def headers_of_asset(path: str) -> list[tuple[bytes, bytes]]:
    """Return the headers of a file; one with its hash in its name never changes."""
    cache_control = (
        f"public, max-age={YEAR_SECONDS}, immutable" if path.startswith("/assets/") else "public, max-age=86400"
    )
    return [*COMMON, (b"cache-control", cache_control.encode())]
