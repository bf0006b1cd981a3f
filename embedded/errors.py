"""Why the embedded TimescaleDB could not be started; each message names the next step."""

from typing import ClassVar

from core.errors import RtsError


class EmbeddedError(RtsError):
    """The embedded TimescaleDB failed."""

    code: ClassVar[str] = "embedded_error"


class NodeMissingError(EmbeddedError):
    """Node.js was not found: install Node 20 or newer and put `node` on the PATH, or set DATABASE_URL."""

    code = "node_missing"


class NodeTooOldError(EmbeddedError):
    """Node.js is too old: install Node 20 or newer, or set DATABASE_URL."""

    code = "node_too_old"


class EmbeddedPackagesMissingError(EmbeddedError):
    """The npm packages of embedded/ are missing: run `make setup`, or `npm ci --prefix embedded`."""

    code = "embedded_packages_missing"


class DataDirectoryInUseError(EmbeddedError):
    """Another server uses this data directory: stop that server, or use another directory."""

    code = "data_directory_in_use"


class EmbeddedEndedError(EmbeddedError):
    """The embedded TimescaleDB stopped unexpectedly: read its log file in the data directory, then start it again."""

    code = "embedded_ended"


class EmbeddedStartFailedError(EmbeddedError):
    """The embedded TimescaleDB did not start: read its log file in the data directory."""

    code = "embedded_start_failed"
