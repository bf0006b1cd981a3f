"""Settings: read once from the environment (and `.env`), each with its unit and default.

`DATABASE_URL` keeps its usual name; every other variable begins with `RTS_`. Secrets may come from files: a variable
with `_FILE` at the end of its name holds the path.
"""

import re
from functools import cache
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import ClassVar, Self
from zoneinfo import available_timezones

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from core.access import DEFAULT_COMMANDS, DEFAULT_ROLES, CommandTable, RoleTable, parse_claims
from core.database_urls import with_schema
from core.errors import RtsError
from core.quota_settings import QuotaSettings
from core.secret_files import SecretFiles

MIB = 1024 * 1024
CLOCK = r"([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?"
QUIET_HOURS = re.compile(rf"{CLOCK}-{CLOCK}(?: (?P<zone>\S+))?", re.ASCII)
ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?", re.IGNORECASE)


class SettingsError(RtsError):
    """A setting cannot be used."""

    code: ClassVar[str] = "settings"


class Settings(QuotaSettings):
    """The settings of an operator, the same for `rts-agents serve` and `worker`."""

    # The faulty value may be a secret, or be next to one.
    model_config = SettingsConfigDict(env_prefix="RTS_", env_file=".env", extra="ignore", hide_input_in_errors=True)

    database_url: str = Field(default="", validation_alias="DATABASE_URL", description="postgresql://…")
    read_database_url: str = Field(
        default="",
        description="a read-only standby for charts; DATABASE_URL if empty or while the standby is unavailable",
    )
    database_schema: str = Field(
        default="", pattern=r"^([a-z_][a-z0-9_]{0,62})?$", validation_alias="RTS_SCHEMA",
        description="schema for our tables, where public has agent_* tables already; empty: public",
    )  # fmt: skip
    keys_file: Path = Field(default=Path(".rts/keys.json"), description="signing keys; made with mode 600")
    mapping_file: Path | None = Field(
        default=None, description="file that maps metrics of other agents to series: docs/sources/mapping.md"
    )
    public_url: str = Field(default="http://127.0.0.1:3002", description="address agents use, no slash at the end")

    cors_origins: str = Field(
        default="", description="origins of pages elsewhere that may call the API: https://portal.example"
    )
    trusted_proxies: str = Field(
        default="", description="addresses of the proxies whose X-Forwarded-For is trusted, comma-separated"
    )

    workers: int = Field(default=1, ge=1, le=64, description="server processes on one port: serve --workers")
    drain_seconds: float = Field(
        default=0, ge=0, description="drain period after SIGTERM: requests are served while readiness returns 503"
    )
    keep_alive_seconds: int = Field(
        default=5,
        ge=1,
        description="keep-alive timeout of idle connections; behind a load balancer, above the balancer's own",
    )
    metrics_token: SecretStr = Field(
        default=SecretStr(""), description="token for /metrics; empty: every request is refused"
    )
    pool_size: int = Field(default=8, ge=1, description="connections for the API, per process")
    query_timeout_seconds: float = Field(default=20, gt=0, description="longest wait for one API query")

    max_body_bytes: int = Field(default=20 * MIB, gt=0, description="one upload, after decompression")
    max_samples_per_upload: int = Field(default=20_000, gt=0, description="samples in one upload")
    max_buffered_samples: int = Field(default=100_000, gt=0, description="samples waiting for COMMIT, per process")
    max_decoding_bytes: int = Field(default=256 * MIB, gt=0, description="all request bodies in memory at once")
    body_seconds: float = Field(default=60, gt=0, description="how long one request body may take to arrive")
    body_pause_seconds: float = Field(default=5, gt=0, description="longest pause between two parts of a body")
    body_bytes_per_second: int = Field(
        default=1024, ge=1, description="lowest rate of a body, measured after the first RTS_BODY_PAUSE_SECONDS"
    )
    head_seconds: float = Field(
        default=10, gt=0, description="how long a connection may take to send the head of a request"
    )
    retry_after_seconds: int = Field(default=5, ge=1, description="Retry-After of a 503, up to twice as long")

    people_cache_seconds: float = Field(
        default=5, ge=0, le=60, description="how long a person's state in the platform's tables is kept"
    )
    person_token_hours: float = Field(default=168, gt=0, description="longest lifetime of a token of a person")
    audit_days: int = Field(default=730, ge=0, description="how long the audit trail is kept, 30 at least; 0: for ever")
    audit_refusals_per_hour: int = Field(
        default=500, ge=0, description="rows of refused calls in the audit trail, per process; 0: none"
    )
    required_claims: str = Field(
        default="", description="claims that a token of a person must have: aud=portal; iss=https://…; type=access"
    )
    role_rights: str = Field(default=DEFAULT_ROLES, description="rights of each role: manager=*; technician=order")
    agent_calls_per_minute: int = Field(default=120, ge=1, description="calls of one agent, per process")
    person_calls_per_minute: int = Field(default=1200, ge=1, description="calls of one user or employee, per process")
    business_calls_per_minute: int = Field(
        default=60_000, ge=1, description="calls of all agents and users of one business, per server"
    )
    token_overlap_seconds: int = Field(
        default=3600, ge=0, description="how long a replaced agent token stays valid after the new one's first use"
    )

    default_metrics_interval_seconds: int = Field(default=300, ge=1, description="sent to agents at /register")
    heartbeat_interval_seconds: int = Field(default=300, ge=1, description="sent to agents at /register")
    warning_after_intervals: float = Field(
        default=2, ge=1, description="intervals without contact until a device is shown as warning"
    )
    offline_after_intervals: float = Field(
        default=3, ge=1, description="intervals without contact until a device is shown as offline"
    )
    command_types: str = Field(
        default=DEFAULT_COMMANDS, description="what each type of command needs: free, approval or refused; *: any other"
    )
    approval_above_devices: int = Field(
        default=10, ge=0, description="commands to more devices than this need a second employee"
    )
    approval_window_minutes: float = Field(
        default=60,
        ge=0,
        description="how far back an employee's commands count for this limit; 0: each order counts alone",
    )
    unmeasured_days: float = Field(
        default=3, ge=0, description="days until an alert on a missing metric of a live device ends; 0: never"
    )
    ticket_client: str = Field(
        default="", description="e-mail of the user whose tickets alerts open; empty: a service user for each business"
    )
    environment: str = Field(
        default="",
        description="production: upgrade and downgrade require the name of the database, demo and load refuse to run",
    )
    postgres_bin: str = Field(default="", description="folder of pg_dump and pg_restore; empty: those on the PATH")
    erasure_hour: int = Field(
        default=2, ge=0, le=23, description="the hour (UTC) in which the worker runs requested erasures"
    )
    retention_grace_hours: float = Field(
        default=24, ge=1, le=720, description="how long a shorter retention waits, and can be undone, before it drops"
    )
    disk_bytes: int = Field(
        default=0, ge=0, description="size of the database's disk; 0: unknown; then no date is predicted"
    )
    webhook_secret: SecretStr = Field(default=SecretStr(""), description="signs the webhooks of alerts")
    webhook_networks: str = Field(
        default="", description="internal networks that webhooks may reach: 10.20.0.0/16, comma-separated"
    )
    smtp_url: SecretStr = Field(default=SecretStr(""), description="smtp://user:password@host:587, or smtps://…")
    mail_from: str = Field(default="rts-agents@localhost", description="sender of the e-mails of alerts")
    time_zone: str = Field(
        default="UTC", description="time zone of baselines for devices whose site and business have none"
    )
    quiet_hours: str = Field(
        default="", description="hours in which only critical alerts are sent: 22:00-07:00 Europe/Berlin; empty: none"
    )
    enrol_within_seconds: int = Field(
        default=3600, ge=60, description="a device without contact this long after /register is removed"
    )

    embed_origins_text: str = Field(
        default="",
        validation_alias="RTS_EMBED_ORIGINS",
        description="origins whose pages may embed a chart: https://portal.example, comma-separated",
    )
    ticket_url: str = Field(default="", description="address of a ticket, with {id} and {number}: links in the pages")
    demo_login: bool = Field(default=False, description="sign-in without a password, on this machine only: the demo")

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource, dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:  # fmt: skip
        """Take secrets from files too (`RTS_SMTP_URL_FILE`); a value in the code of a caller comes first."""
        del file_secret_settings
        return init_settings, SecretFiles(settings_cls), env_settings, dotenv_settings

    @model_validator(mode="after")
    def a_schema_is_in_the_path(self) -> Self:
        """Let every session that uses the URLs find our tables first."""
        self.database_url = with_schema(self.database_url, self.database_schema)
        self.read_database_url = with_schema(self.read_database_url, self.database_schema)
        return self

    @model_validator(mode="after")
    def a_warning_comes_first(self) -> Self:
        """Raise ValueError if a device would be offline before it is in warning."""
        if self.offline_after_intervals < self.warning_after_intervals:
            raise ValueError("RTS_OFFLINE_AFTER_INTERVALS must not be less than RTS_WARNING_AFTER_INTERVALS")
        return self

    @field_validator("audit_days")
    @classmethod
    def a_trail_is_kept_for_a_while(cls, days: int) -> int:
        """Raise ValueError below 30 days: the database deletes no younger rows from the audit trail."""
        if 0 < days < 30:
            raise ValueError("RTS_AUDIT_DAYS must be 30 or more, or 0 to keep the audit trail for ever")
        return days

    @model_validator(mode="after")
    def a_token_is_no_word(self) -> Self:
        """Raise ValueError for a metrics token of less than 16 characters, which could be guessed."""
        if 0 < len(self.metrics_token.get_secret_value()) < 16:
            raise ValueError("RTS_METRICS_TOKEN must have 16 characters or more: openssl rand -hex 24")
        return self

    @field_validator("role_rights", "command_types", "required_claims")
    @classmethod
    def is_a_table(cls, text: str, info: ValidationInfo) -> str:
        """Refuse a table that cannot be read."""
        readers = {"role_rights": RoleTable.parse, "command_types": CommandTable.parse, "required_claims": parse_claims}
        readers[info.field_name or ""](text)
        return text

    @field_validator("time_zone")
    @classmethod
    def is_a_zone(cls, name: str) -> str:
        """Refuse a zone that the IANA database does not have."""
        if name not in available_timezones():
            raise ValueError("RTS_TIME_ZONE must be a time zone of the IANA database, such as Europe/Berlin")
        return name

    @field_validator("quiet_hours")
    @classmethod
    def are_hours(cls, text: str) -> str:
        """Refuse hours that cannot be read: the worker would send no message at all."""
        hours = QUIET_HOURS.fullmatch(text.strip())
        if text.strip() and (hours is None or (hours["zone"] or "UTC") not in available_timezones()):
            raise ValueError("RTS_QUIET_HOURS must be like 22:00-07:00 Europe/Berlin: two local times and a time zone")
        return text.strip()

    @field_validator("webhook_networks")
    @classmethod
    def are_networks(cls, text: str) -> str:
        """Raise ValueError unless `text` is a comma-separated list of networks."""
        parse_networks(text)
        return text

    @field_validator("embed_origins_text")
    @classmethod
    def are_origins(cls, text: str) -> str:
        """Raise ValueError unless `text` is a list of origins: a path or a wildcard would allow more than intended."""
        for origin in split_words(text):
            if not ORIGIN.fullmatch(origin):
                raise ValueError(f"RTS_EMBED_ORIGINS: {origin!r} is no origin such as https://portal.example")
        return text

    @property
    def embed_origins(self) -> tuple[str, ...]:
        """The origins that may embed a chart; empty: none."""
        return split_words(self.embed_origins_text)

    @property
    def reachable_networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """The internal networks that webhooks may reach; empty: none."""
        return parse_networks(self.webhook_networks)

    @property
    def cors_named(self) -> tuple[str, ...]:
        """The origins that may call the API from a browser; empty: none."""
        return tuple(part.strip().rstrip("/") for part in self.cors_origins.split(",") if part.strip())

    @property
    def roles(self) -> RoleTable:
        """The rights of each role, parsed from `role_rights`."""
        return RoleTable.parse(self.role_rights)

    @property
    def commands(self) -> CommandTable:
        """The rule of each type of command, parsed from `command_types`."""
        return CommandTable.parse(self.command_types)

    @property
    def claims_required(self) -> dict[str, list[str]]:
        return parse_claims(self.required_claims)


def parse_networks(text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    """Read `10.20.0.0/16, fd00::/8`; raises ValueError."""
    return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())


def split_words(text: str) -> tuple[str, ...]:
    """Return the words of a comma-separated list."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


@cache
def get_settings() -> Settings:
    """Return the settings of this process, read on the first call; raises SettingsError, which names no value."""
    try:
        return Settings()
    except ValidationError as fault:
        raise SettingsError("; ".join(map(describe_fault, fault.errors(include_input=False)))) from None
    except ValueError as fault:
        raise SettingsError(str(fault)) from None


def describe_fault(fault: ErrorDetails) -> str:
    """Return a fault of a setting as text; our own checks name the setting themselves."""
    text = fault["msg"].removeprefix("Value error, ")
    name = ".".join(map(str, fault["loc"])).upper()
    if not name or "RTS_" in text:
        return text
    return f"{name}: {text}" if name.startswith(("RTS_", "DATABASE_URL")) else f"RTS_{name}: {text}"
