"""Models of the routes of software inventory: lists of agents, installed software, changes, search results."""

from datetime import date, datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    Field,
    ModelWrapValidatorHandler,
    PrivateAttr,
    StringConstraints,
    model_validator,
)

from api.fields.text import storable
from api.fields.times import Time
from api.schemas.agents import Business
from core.text import clean_name
from inventory.odd_entries import Tidied, tidy

MAX_SOFTWARE = 10_000

Kind = Literal["application", "system", "driver", "update"]
SoftwareName = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=512), AfterValidator(storable)
]
# The constraints come first (api/fields/text.py). Blank text becomes null.
Text255 = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=255),
    AfterValidator(storable),
    AfterValidator(lambda text: text or None),
]
Search = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=512),
    AfterValidator(storable),
]
NameStart = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=2, max_length=512),
    AfterValidator(storable),
]
VersionPrefix = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=255),
    AfterValidator(storable),
    AfterValidator(lambda text: text.rstrip(".*")),
]


class ListedSoftware(BaseModel):
    """A software found by the agent. Name, type and version identify it; blank text counts as null."""

    software_name: SoftwareName = Field(examples=["Python"])
    software_version: Text255 | None = Field(None, examples=["3.12.4"])
    vendor: Text255 | None = Field(None, examples=["Python Software Foundation"])
    install_date: date | None = None
    software_type: Kind = "application"
    is_security_software: bool = Field(False, description="antivirus, firewall and the like")
    is_latest_version: bool | None = Field(None, description="null: the agent has no information")
    latest_available_version: Text255 | None = None


class RemovedSoftware(BaseModel):
    """A removed software; without a version or type, every version or type of it."""

    software_name: SoftwareName
    software_version: Text255 | None = Field(None, description="null: every version")
    software_type: Kind | None = Field(None, description="null: every type")


class Inventory(BaseModel):
    """The software of a device at one time: all of it (`full`), or the changes since the previous list (`delta`)."""

    collected_at: Time | None = Field(None, description="when, by the device; at most 10 minutes ahead; default: now")
    mode: Literal["full", "delta"] = Field("full", description="full: software that is not listed was removed")
    software: list[ListedSoftware] = Field(
        default_factory=list,
        max_length=MAX_SOFTWARE,
        description="of several entries for one software the last counts",
    )
    removed: list[RemovedSoftware] = Field(
        default_factory=list, max_length=MAX_SOFTWARE, description="only in a delta; what `software` lists too stays"
    )

    _tidied: Tidied = PrivateAttr(default_factory=Tidied)

    @property
    def tidied(self) -> Tidied:
        """The rejected and changed entries of `software`."""
        return self._tidied

    @model_validator(mode="wrap")
    @classmethod
    def odd_entries_cost_only_themselves(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """Clean single entries before they are checked."""
        if not isinstance(value, dict):
            return handler(value)
        tidied, removed = Tidied(), value.get("removed")
        if isinstance(value.get("software"), list) and len(value["software"]) <= MAX_SOFTWARE:
            tidied = tidy(value["software"])
            value = value | {"software": tidied.entries}
        if isinstance(removed, list) and len(removed) <= MAX_SOFTWARE:
            value = value | {"removed": [without_odd_text(entry) for entry in removed]}
        entries = handler(value)
        entries._tidied = tidied
        return entries

    @model_validator(mode="after")
    def fits_its_mode(self) -> Self:
        """Raise ValueError for `removed` in a full list, and for a full list without `software`."""
        if self.mode == "full" and self.removed:
            raise ValueError("`removed` is for mode delta: in a full list, software that is absent counts as removed")
        if self.mode == "full" and "software" not in self.model_fields_set:
            raise ValueError("a full list needs `software`; an empty list means that nothing is installed")
        return self


def without_odd_text(entry: Any) -> Any:
    """Return a removal with its texts cleaned like those of a list."""
    if not isinstance(entry, dict):
        return entry
    return {name: clean_name(value) if isinstance(value, str) else value for name, value in entry.items()}


class RejectedEntry(BaseModel):
    """An entry without a name: it was passed over, and nothing was taken as removed."""

    index: int
    code: str
    message: str


class EntryNote(BaseModel):
    """A correction in an accepted entry."""

    index: int
    field: str
    code: str
    message: str


class MergedInventory(BaseModel):
    """The outcome of a list: received = added + updated + unchanged + duplicates, unless it is stale."""

    received: int
    added: int
    updated: int = Field(description="existed already, but with another vendor or the like")
    removed: int
    unchanged: int
    duplicates: int = Field(description="entries that a later one of the same name, type and version replaced")
    stale: bool = Field(
        description="a newer list was received earlier: nothing was changed; after a delta, send a full list"
    )
    rejected: list[RejectedEntry] = Field(default_factory=list, description="rejected entries, by index")
    notes: list[EntryNote] = Field(
        default_factory=list, description="corrections in accepted entries; the first thousand"
    )


class InstalledSoftware(BaseModel):
    """One stay of a software in one version on a device: from first_seen until removed_at. Times in UTC."""

    id: UUID
    software_name: str
    software_version: str | None
    vendor: str | None
    install_date: date | None
    software_type: Kind
    is_security_software: bool
    is_active: bool = Field(description="it is there still")
    first_seen: datetime
    last_seen: datetime
    removed_at: datetime | None
    is_latest_version: bool | None
    latest_available_version: str | None = Field(description="reported by the agent, else from the end-of-life rule")
    is_eol: bool = Field(description="its end of life was reached at `as_of`")
    eol_date: date | None = Field(description="null: no rule matches")


class SoftwarePage(BaseModel):
    """A page of a device's software in the order of their names."""

    software: list[InstalledSoftware]
    next_cursor: str | None = Field(description="pass as `cursor` for the next page; null on the last")
    as_of: datetime = Field(description="the time that the answer is for")
    inventory_at: datetime | None = Field(description="when the newest list was taken; null: never")


class SoftwareChange(BaseModel):
    """An installation, removal or upgrade."""

    at: datetime
    change: Literal["installed", "removed", "upgraded"] = Field(description="upgraded: another version, older perhaps")
    software_name: str
    software_version: str | None = Field(description="the new version; of a removal the removed one")
    from_version: str | None = Field(description="of an upgrade, the one before")
    software_type: Kind
    vendor: str | None


class ChangePage(BaseModel):
    """A page of changes, newest first; those of one time in the order of their names."""

    changes: list[SoftwareChange]
    next_cursor: str | None = Field(description="pass as `cursor` for the next page; null on the last")
    inventory_since: datetime | None = Field(description="when the first list was taken; the changes begin after it")


class FoundSoftware(BaseModel):
    """A software on one device, with the device's name and business."""

    agent_id: UUID
    device_name: str
    business: Business
    software_name: str
    software_version: str | None
    software_type: Kind
    vendor: str | None
    first_seen: datetime
    last_seen: datetime
    is_eol: bool = Field(description="its end of life is reached")
    eol_date: date | None


class FoundPage(BaseModel):
    """A page of the search result, in the order of the names."""

    software: list[FoundSoftware]
    next_cursor: str | None = Field(description="pass as `cursor` for the next page; null on the last")
