"""Secrets that come from files."""

from pathlib import Path

import pytest

from core.settings import Settings


def test_a_secret_is_read_from_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "smtp"
    file.write_text("smtp://user:password@mail.example:587\n")
    for variable in ("RTS_SMTP_URL", "DATABASE_URL"):
        monkeypatch.delenv(variable, raising=False)
        monkeypatch.setenv(f"{variable}_FILE", str(file))
    settings = Settings()
    assert settings.smtp_url.get_secret_value() == "smtp://user:password@mail.example:587"
    assert settings.database_url == "smtp://user:password@mail.example:587"


def test_a_secret_given_twice_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RTS_WEBHOOK_SECRET", "here")
    monkeypatch.setenv("RTS_WEBHOOK_SECRET_FILE", str(tmp_path / "there"))
    with pytest.raises(ValueError, match="are both set"):
        Settings()


@pytest.mark.parametrize("content", [None, b"\xff\xfe", b"x" * 100_000])
def test_a_file_that_cant_be_read_is_named_without_its_content(
    content: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)
    monkeypatch.delenv("RTS_WEBHOOK_SECRET", raising=False)
    monkeypatch.setenv("RTS_WEBHOOK_SECRET_FILE", str(file))
    with pytest.raises(ValueError, match="RTS_WEBHOOK_SECRET_FILE: the file") as raised:
        Settings()
    assert "xxxx" not in str(raised.value)
