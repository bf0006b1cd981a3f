"""/api/views: saved views of the lists of devices and alerts, own and shared ones."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from api.auth import CurrentPerson
from api.errors import conflicts
from api.fields.text import StorableText, storable
from api.services import get_services
from auth.tokens import Person
from devices.errors import TooManyViewsError
from devices.saved_views import NewView, Owner, delete_view, list_views, save_view

router = APIRouter(prefix="/api/views", tags=["views"])

Page = Literal["agents", "alerts"]
ViewName = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100), AfterValidator(storable)
]


class ViewOrder(BaseModel):
    """A view to save; one of that name is replaced."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"name": "Servers offline", "page": "agents", "query": "status=offline&type=server"}]
        }
    )

    name: ViewName
    page: Page
    query: Annotated[StorableText, StringConstraints(max_length=2000)] = Field(description="of the page's address")
    shared: bool = Field(False, description="with all employees, or with all users of the business")


class SavedView(BaseModel):
    """A saved view: the query of a list page under a name."""

    id: UUID
    name: str
    page: Page
    query: str
    shared: bool
    mine: bool = Field(description="made by the caller, who alone may delete it")


class SavedViewList(BaseModel):
    """The views of a page, by name."""

    views: list[SavedView]


def view_owner(person: Person) -> Owner:
    """Return the person as the owner of views; a user without their own id has those of their subject."""
    person_id = person.employee_id or person.user_id or person.business_id
    assert person_id, "a person is an employee, or a user of a business"
    return Owner(person.tenant, person_id)


@router.get("")
async def list_saved_views(
    request: Request, person: CurrentPerson, page: Annotated[Page, Query(description="whose views")] = "agents"
) -> SavedViewList:
    """List the caller's own views of a page and those shared with them."""
    rows = await list_views(get_services(request).pool, view_owner(person), page)
    return SavedViewList(views=[to_saved_view(dict(row)) for row in rows])


@router.post("", status_code=201, responses=conflicts(TooManyViewsError))
async def save_a_view(request: Request, person: CurrentPerson, body: ViewOrder) -> SavedView:
    """Save a view; it replaces the caller's own view of the same name."""
    services = get_services(request)
    view = NewView(body.page, body.name, body.query, body.shared)
    return to_saved_view(dict(await save_view(services.pool, view_owner(person), view, services.clock())))


@router.delete("/{view_id}", status_code=204)
async def delete_a_view(
    request: Request, person: CurrentPerson, view_id: Annotated[UUID, Path(description="id of the view")]
) -> Response:
    """Delete one of the caller's own views; an id of another view changes nothing."""
    await delete_view(get_services(request).pool, view_owner(person), view_id)
    return Response(status_code=204)


def to_saved_view(row: dict[str, object]) -> SavedView:
    """Return a row as the model of the API."""
    return SavedView.model_validate(row | {"name": row["view_name"], "shared": row["is_shared"]})
