"""Errors of request bodies: too large, cut short, or in an encoding that the server does not read."""

from typing import ClassVar

from core.errors import RtsError


class BadCompressionError(RtsError):
    """Content-Encoding is gzip, but the body is not a complete gzip stream."""

    code: ClassVar[str] = "bad_gzip"
    status: ClassVar[int] = 400


class UnsupportedEncodingError(RtsError):
    """Send the body plain or with Content-Encoding: gzip."""

    code: ClassVar[str] = "unsupported_encoding"
    status: ClassVar[int] = 415


class BodyTooLargeError(RtsError):
    """The upload is too large: split it into several."""

    code: ClassVar[str] = "body_too_large"
    status: ClassVar[int] = 413


class ClientGoneError(RtsError):
    """The agent closed the connection before the whole body had arrived."""

    code: ClassVar[str] = "client_gone"
    status: ClassVar[int] = 400


class BodyTooSlowError(RtsError):
    """The body did not arrive in time: send the same again."""

    code: ClassVar[str] = "body_too_slow"
    status: ClassVar[int] = 408
