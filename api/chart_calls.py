"""Serves charts without FastAPI: they are the most frequent call, and its layers took half as long as the queries.

The seam: `Application` calls `answer_chart` before FastAPI. A usual call (GET, parameters that fit `ChartQuestion`, a
good token of a person) is answered here, by the same function as in the route, `read_chart`. All others, also those
that are refused for their parameters or their token, go on to FastAPI. So each error has one form, and the parameters
have one model, from which FastAPI also makes the documentation.
"""

import re
from urllib.parse import parse_qsl
from uuid import UUID

from pydantic import ValidationError
from starlette.requests import Request

from api.auth import admit_person
from api.errors import as_known
from api.routes.history import ChartQuestion, read_chart
from api.server.asgi import Scope, Send, answer, bearer_token, refuse
from api.services import Services
from auth.errors import InvalidTokenError
from core.errors import RtsError, UnauthorizedError

CHART_PATH = re.compile(r"/api/agents/([0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})/metrics/history")
LISTS = frozenset({"instance"})  # parameters that may be repeated; of others the last one counts


async def answer_chart(services: Services, scope: Scope, send: Send) -> bool:
    """Answer a usual call for a chart; return whether it was one. Sends nothing when it was not."""
    match = CHART_PATH.fullmatch(scope["path"]) if scope["method"] == "GET" else None
    question = read_question(scope["query_string"]) if match else None
    if match is None or question is None:
        return False
    try:
        token = bearer_token(dict(scope["headers"]).get(b"authorization", b""))
        person = services.tokens.verify_person(token)
    except (UnauthorizedError, InvalidTokenError):
        return False
    try:
        await admit_person(services, person)
        body = await read_chart(services, person.tenant, UUID(match[1]), question)
    except Exception as error:  # noqa: BLE001  as the handlers of api/errors.py
        await refuse_chart(services, scope, send, as_known(Request(scope), error))
        return True
    await answer(send, 200, body)
    return True


async def refuse_chart(services: Services, scope: Scope, send: Send, error: RtsError) -> None:
    """Answer an error, and note it for the audit trail."""
    services.refusals.note(scope, error)
    await refuse(send, error, services.settings.retry_after_seconds)


def read_question(query_string: bytes) -> ChartQuestion | None:
    """Return the question of a query string; None when it does not fit the model."""
    pairs = parse_qsl(query_string.decode("latin-1"), keep_blank_values=True)
    values: dict[str, str | list[str]] = dict(pairs)
    values |= {name: [value for other, value in pairs if other == name] for name in LISTS & values.keys()}
    try:
        return ChartQuestion.model_validate(values)
    except ValidationError:
        return None
