"""Secrets from files: `RTS_SMTP_URL_FILE=/run/secrets/smtp` sets what `RTS_SMTP_URL` would."""

import os
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import PydanticBaseSettingsSource

SUFFIX = "_FILE"
ALSO = frozenset({"database_url"})  # a plain string that holds a password
MAX_BYTES = 65_536


class SecretFiles(PydanticBaseSettingsSource):
    """Reads each secret setting from the file that its variable with `_FILE` at the end names.

    A setting that is given both ways and a file that cannot be read are errors.
    """

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return the line of a setting's file; None where there is no such variable."""
        name = str(field.validation_alias or f"{self.config.get('env_prefix', '')}{field_name}".upper())
        path = os.environ.get(name + SUFFIX)
        if not path or not is_secret(field, field_name):
            return None, name, False
        if os.environ.get(name):
            raise ValueError(f"{name} and {name}{SUFFIX} are both set: give one of them")
        return read_secret(Path(path), name + SUFFIX), name, False

    def __call__(self) -> dict[str, Any]:
        """Return the settings that files hold, by the names that Settings takes."""
        values: dict[str, Any] = {}
        for field_name, field in self.settings_cls.model_fields.items():
            value, _, _ = self.get_field_value(field, field_name)
            if value is not None:
                values[str(field.validation_alias or field_name)] = value
        return values


def is_secret(field: FieldInfo, field_name: str) -> bool:
    """Return whether a setting may be given by file."""
    return field.annotation is SecretStr or field_name in ALSO


def read_secret(path: Path, variable: str) -> str:
    """Return the one line of a file; raises ValueError that names the variable, never the content."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        text = content.decode("utf-8-sig").strip()  # editors leave a byte order mark, line breaks and blanks
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{variable}: the file cannot be read ({type(error).__name__})") from None
    if len(content) > MAX_BYTES:
        raise ValueError(f"{variable}: the file has more than {MAX_BYTES} bytes")
    if not text or not text.isprintable():
        raise ValueError(f"{variable}: the file must hold the secret in one line")
    return text
