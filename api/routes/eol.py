"""End-of-life rules of software, for the whole fleet. Employees only."""

from datetime import date, datetime
from typing import Annotated, ClassVar
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from api.auth import CurrentEmployee, MayEditRules
from api.errors import conflicts
from api.fields.cursors import Cursor, Limit, make_page, read_cursor
from api.fields.patches import Patch
from api.fields.text import storable
from api.schemas.inventory import Search, SoftwareName, Text255, VersionPrefix
from api.services import get_services
from inventory.eol import NewRule, change_rule, create_rule, delete_rule, list_rules
from inventory.errors import EolRuleExistsError

router = APIRouter(prefix="/api/agents/software-eol", tags=["end of life"])


def names_something(name: str) -> str:
    """Return a pattern of names; raises ValueError for one that would fit everything."""
    if not name.strip("* "):
        raise ValueError("must hold more than `*`")
    return name


Pattern = Annotated[SoftwareName, AfterValidator(names_something)]
Day = Annotated[date, Field(ge=date(1970, 1, 1), lt=date(2200, 1, 1))]
Note = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=1000),
    AfterValidator(storable),
    AfterValidator(lambda text: text or None),
]
RuleId = Annotated[UUID, Path(description="id of the rule")]

PATTERN = "the software's name in any case; `*` stands for any text"
PREFIX = "the version or its beginning: 3.7 fits 3.7, 3.7.9 and 3.7-2, not 3.70; empty: every version"
DAY = "the first day (UTC) that counts as past its end of life"


class NewEolRule(BaseModel):
    """Software of this name and version reaches its end of life on a day."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"software_name": "Python 3.8*", "version_prefix": "3.8", "eol_date": "2024-10-07"}]
        }
    )

    software_name: Pattern = Field(description=PATTERN)
    version_prefix: VersionPrefix = Field("", description=PREFIX)
    eol_date: Day = Field(description=DAY)
    latest_available_version: Text255 | None = Field(None, description="what to upgrade to")
    note: Note | None = None


class EolRuleChange(Patch):
    """Changes of a rule; absent fields stay."""

    clearable: ClassVar[frozenset[str]] = frozenset({"latest_available_version", "note"})

    software_name: Pattern | None = Field(None, description=PATTERN)
    version_prefix: VersionPrefix | None = Field(None, description=PREFIX)
    eol_date: Day | None = Field(None, description=DAY)
    latest_available_version: Text255 | None = Field(None, description="what to upgrade to; null: nothing")
    note: Note | None = Field(None, description="null: none")


class EolRule(BaseModel):
    """A rule. If several match a software, the longest version_prefix wins, then the longest name."""

    id: UUID
    software_name: str
    version_prefix: str
    eol_date: date
    latest_available_version: str | None
    note: str | None
    created_by: UUID | None = Field(description="null: the employee was deleted")
    updated_by: UUID | None
    created_by_name: str | None = Field(description="kept when the employee is deleted")
    updated_by_name: str | None
    created_at: datetime
    updated_at: datetime
    applied_at: datetime | None = Field(description="when the whole inventory was marked with it; null: not yet")


class EolRuleList(BaseModel):
    """A page of rules in the order of their names."""

    rules: list[EolRule]
    next_cursor: str | None = Field(description="pass as `cursor` for the next page; null on the last")


@router.get("")
async def list_eol_rules(
    request: Request,
    employee: CurrentEmployee,
    search: Annotated[Search | None, Query(description="text within the name, in any case")] = None,
    limit: Limit = 200,
    cursor: Cursor = None,
) -> EolRuleList:
    """List the end-of-life rules."""
    del employee
    rows = await list_rules(get_services(request).pool, search, read_cursor(cursor, str, str), limit + 1)
    page, more = make_page(rows, limit, "sort_key", "version_prefix")
    return EolRuleList(rules=[EolRule(**row) for row in page], next_cursor=more)


@router.post("", status_code=201, responses=conflicts(EolRuleExistsError))
async def create_eol_rule(request: Request, employee: MayEditRules, body: NewEolRule) -> EolRule:
    """Make a rule. New inventory is marked with it at once, the whole fleet's within seconds."""
    services = get_services(request)
    rule = NewRule(**body.model_dump())
    return EolRule(**await create_rule(services.pool, rule, employee.actor, services.clock()))


@router.patch("/{eol_id}", responses=conflicts(EolRuleExistsError))
async def change_eol_rule(request: Request, employee: MayEditRules, eol_id: RuleId, body: EolRuleChange) -> EolRule:
    """Change a rule; the marks of the inventory follow within seconds."""
    services = get_services(request)
    return EolRule(**await change_rule(services.pool, eol_id, body.changes(), employee.actor, services.clock()))


@router.delete("/{eol_id}", status_code=204)
async def delete_eol_rule(request: Request, employee: MayEditRules, eol_id: RuleId) -> Response:
    """Delete a rule; within seconds its marks disappear, or become those of the next matching rule."""
    services = get_services(request)
    await delete_rule(services.pool, eol_id, employee.actor, services.clock())
    return Response(status_code=204)
