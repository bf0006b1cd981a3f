"""The files of the built pages, read once: content, its gzip, ETag and type."""

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

STATIC = Path(__file__).parent / "static"
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}
SMALLEST_GZIP = 512  # bytes; what is shorter goes out as it is


@dataclass(frozen=True, slots=True)
class PageFile:
    """A file of the pages; `packed` is its gzip, None where that saves nothing."""

    content: bytes
    packed: bytes | None
    etag: str
    media_type: str


def read_files(directory: Path = STATIC) -> Mapping[str, PageFile]:
    """Return the built files by their path under the site, as `/assets/index-….js`; empty when nothing is built."""
    paths = sorted(path for path in directory.rglob("*") if path.is_file() and path.suffix in TYPES)
    return {f"/{path.relative_to(directory).as_posix()}": read_file(path) for path in paths}


def read_file(path: Path) -> PageFile:
    """Return one file; its gzip is the same at each start."""
    content = path.read_bytes()
    packed = gzip.compress(content, 9, mtime=0) if len(content) >= SMALLEST_GZIP else None
    etag = hashlib.sha256(content).hexdigest()[:20]
    return PageFile(content, packed, etag, TYPES[path.suffix])
