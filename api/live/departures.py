"""Closes the sockets of people who no longer have access by the platform's tables."""

import asyncio
import logging

from api.live.clients import UNAUTHORIZED
from api.live.hub import Hub
from auth.people import AccessEndedError, People
from core.errors import UnknownEmployeeError
from db.pools import CONNECTION_ERRORS

log = logging.getLogger(__name__)


async def watch_departures(hub: Hub, people: People, every_seconds: float) -> None:
    """Check the people of all open sockets every `every_seconds`; `people` caches its answers, so this is cheap."""
    while True:
        await asyncio.sleep(every_seconds)
        try:
            await close_departed(hub, people)
        except CONNECTION_ERRORS as error:
            log.warning("the accounts of open sockets could not be checked: %r", error)
        except Exception:
            log.exception("the accounts of open sockets could not be checked")


async def close_departed(hub: Hub, people: People) -> None:
    """Close the sockets of people without access; raises the driver's errors if the database is unavailable."""
    for client in hub.people():
        assert client.person
        try:
            await people.check(client.person)
        except (AccessEndedError, UnknownEmployeeError) as error:
            client.drop(UNAUTHORIZED, error.code)
