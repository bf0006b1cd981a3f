"""What callers of the registry can be told; each class a fact with a stable code."""

from typing import ClassVar

from db.errors import RtsError


class InvalidTokenError(RtsError):
    """This token is not valid here: it is malformed, expired, signed by another key, or of another kind."""

    code: ClassVar[str] = "invalid_token"
    status: ClassVar[int] = 401


class RegistrationRefusedError(RtsError):
    """This registration token is unknown, used or expired: ask for a new one."""

    code: ClassVar[str] = "registration_token_invalid"
    status: ClassVar[int] = 401


class UnknownBusinessError(RtsError):
    """There is no business with this id."""

    code: ClassVar[str] = "unknown_business"
    status: ClassVar[int] = 404


class UnknownLocationError(RtsError):
    """This business has no service location with this id."""

    code: ClassVar[str] = "unknown_service_location"
    status: ClassVar[int] = 404


class UnknownEmployeeError(RtsError):
    """The employee of this token isn't in the platform's table `employees`."""

    code: ClassVar[str] = "unknown_employee"
    status: ClassVar[int] = 403


class KeyFileError(RtsError):
    """The file of signing keys can't be used."""

    code: ClassVar[str] = "key_file"
