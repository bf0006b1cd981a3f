"""Secrets that come from files."""

from pathlib import Path

import pytest

from cli.main import main
from core.settings import Settings, get_settings


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


@pytest.mark.parametrize("content", [None, b"\xff\xfe", b"x" * 100_000, b"", b"\n", b"xxxx\nxxxx", b"xxxx\0"])
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


@pytest.mark.parametrize("content", [b"secret", b"secret\r\n\r\n", b"\xef\xbb\xbfsecret\n", b" secret \n"])
def test_additions_of_editors_are_not_part_of_a_secret(
    content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, link = tmp_path / "secret", tmp_path / "link"
    file.write_bytes(content)
    link.symlink_to(file)
    monkeypatch.delenv("RTS_WEBHOOK_SECRET", raising=False)
    monkeypatch.setenv("RTS_WEBHOOK_SECRET_FILE", str(link))
    assert Settings().webhook_secret.get_secret_value() == "secret"


@pytest.mark.parametrize(
    ("variable", "value"),
    [("RTS_METRICS_TOKEN", "short"), ("RTS_TIME_ZONE", "Nowhere"),
     ("RTS_QUIET_HOURS", "22:00-07:00+02:00"), ("RTS_QUIET_HOURS", "22:00-07:00 CEST"), ("RTS_QUIET_HOURS", "22-7"),
     ("RTS_WARNING_AFTER_INTERVALS", "99"),
     ("RTS_AUDIT_DAYS", "x"), ("RTS_ROLE_RIGHTS", "manager=everything"), ("RTS_WEBHOOK_SECRET_FILE", "/nowhere")],
)  # fmt: skip
def test_a_fault_of_a_setting_is_one_line_without_any_value(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("RTS_WEBHOOK_SECRET", raising=False)
    monkeypatch.setenv("RTS_SMTP_URL", "smtp://user:hidden-one@mail.example")
    monkeypatch.setenv("DATABASE_URL", "postgresql://user:hidden-two@db.example/x")
    monkeypatch.setenv(variable, value)
    monkeypatch.setattr("sys.argv", ["rts-agents", "db", "check"])
    get_settings.cache_clear()
    try:
        with pytest.raises(SystemExit) as ended:
            main()
    finally:
        get_settings.cache_clear()
    said = capsys.readouterr().err
    assert ended.value.code == 1
    assert said.startswith("settings: ")
    assert said.count("\n") == 1
    assert variable.removesuffix("_FILE").removeprefix("RTS_WARNING_") in said
    assert "hidden" not in said
