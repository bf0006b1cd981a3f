"""Errors of uploads by other agents: a stable code, a status, and what to do."""

from typing import ClassVar

from core.errors import RtsError


class MalformedUploadError(RtsError):
    """The body cannot be read: see the message for the place."""

    code: ClassVar[str] = "malformed_upload"
    status: ClassVar[int] = 400


class UnsupportedUploadError(RtsError):
    """This media type or encoding is not supported here: see the message for those that are."""

    code: ClassVar[str] = "unsupported_upload"
    status: ClassVar[int] = 415


class SeveralHostsError(RtsError):
    """This upload has several hosts under the token of one device: give each host its own token."""

    code: ClassVar[str] = "several_hosts"
    status: ClassVar[int] = 400


class TooManyReadError(RtsError):
    """This remote read reaches too many samples: ask for fewer devices or a shorter range."""

    code: ClassVar[str] = "too_many_read"
    status: ClassVar[int] = 422
