"""Errors of tokens and signing keys."""

from typing import ClassVar

from core.errors import RtsError


class InvalidTokenError(RtsError):
    """This token is not valid here: it is malformed, expired, signed by another key, or of another kind."""

    code: ClassVar[str] = "invalid_token"
    status: ClassVar[int] = 401


class KeyFileError(RtsError):
    """The file of signing keys cannot be used."""

    code: ClassVar[str] = "key_file"
