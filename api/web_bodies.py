"""Reads the bodies of all requests except uploads: verifies the sender by the header, then reads within bounds."""

import re
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from functools import partial

from api.bodies import BodyReader
from api.server.asgi import Message, Receive, Scope, bearer_token
from api.server.body_budget import Holder, charge_slow_body
from api.server.body_errors import BodyTooLargeError
from api.server.body_pace import PacedReceive, SlowBody
from api.services import BODY_SIZE, Services, token_check
from auth.errors import InvalidTokenError
from core.errors import RtsError

MAX_BYTES = 256 * 1024
# Larger bodies of agents: path and maximum bytes.
LARGER = (
    (re.compile(r"/api/agents/[^/]+/inventory/software"), 4 * 1024 * 1024),  # 10,000 entries, about 200 bytes each
    (re.compile(r"/api/agents/[^/]+/commands/[^/]+/result"), 4 * 1024 * 1024),  # outputs, which are cut when stored
)
# Calls whose body contains the credentials; all others without a valid header are refused before the body is read.
WITHOUT_TOKEN = re.compile(r"/api/agents/register|/api/session(/.*)?")


def max_bytes(path: str) -> int:
    """Return how many bytes a body may have on this path."""
    return next((most for pattern, most in LARGER if pattern.fullmatch(path)), MAX_BYTES)


@asynccontextmanager
async def whole_body(services: Services, scope: Scope, receive: Receive) -> AsyncIterator[Receive]:
    """Yield a `receive` that has the whole body at once; its bytes are held until the request is answered.

    Raises UnauthorizedError or InvalidTokenError before anything is read, BodyTooLargeError, BodyTooSlowError,
    IngestBusyError, ClientGoneError or RevokedTokenError.
    """
    headers = dict(scope["headers"])
    if b"transfer-encoding" not in headers and headers.get(b"content-length", b"0") == b"0":
        yield receive
        return
    most = max_bytes(scope["path"])
    announced = headers.get(b"content-length", b"0")
    if not announced.isdigit() or int(announced) > most:
        raise BodyTooLargeError(f"The body is over {most} bytes.")
    holder, is_still_good = identify_sender(services, scope, headers.get(b"authorization", b""))
    allowance = services.budget.room_for(holder)
    paced = PacedReceive(receive, services.pace, partial(charge_slow_body, allowance, is_still_good))
    with BodyReader(paced, b"", most, allowance) as reader:
        body = await reader.read()
        scope[BODY_SIZE] = len(body)
        messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Message:
            return messages.pop() if messages else await receive()

        yield replay


def identify_sender(services: Services, scope: Scope, authorization: bytes) -> tuple[Holder, SlowBody]:
    """Return the sender of a request by its header alone, and a check of the token in the database."""
    address = (scope.get("client") or ("",))[0]
    if WITHOUT_TOKEN.fullmatch(scope["path"]):
        return Holder("address", address), nobody
    token = bearer_token(authorization)
    try:
        sender = services.tokens.verify_sender(token)
    except InvalidTokenError:
        person = services.tokens.verify_person(token)
        return Holder("person", person.subject, person.tenant), partial(services.people.check, person)
    holder = Holder("agent", *services.limits.payer(sender.agent_id, sender.token_hash))
    return holder, partial(token_check(services.pool, services.clock, services.gateways), sender)


def owner_of(services: Services, scope: Scope) -> Hashable:
    """Return whose turn a call uses: a business's, an employee's, or that of all callers without a good token."""
    authorization = dict(scope["headers"]).get(b"authorization", b"")
    try:
        holder, _ = identify_sender(services, scope, authorization)
    except RtsError:
        return None
    return None if holder.kind == "address" else holder.business_id or holder.key


async def nobody() -> None:
    """Do nothing: the check for a request without a token in its header."""
