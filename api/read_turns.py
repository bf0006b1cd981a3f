"""Remote reads at once: an answer takes up to 80 MB, and a business with slow reads must not stop the others."""

import asyncio
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

OF_BUSINESS, IN_ALL = 2, 4


class ReadTurns:
    """The reads of this process: at most OF_BUSINESS of a business and IN_ALL together; the others wait."""

    def __init__(self) -> None:
        self._all = asyncio.Semaphore(IN_ALL)
        self._of_business: WeakValueDictionary[Hashable, asyncio.Semaphore] = WeakValueDictionary()

    @asynccontextmanager
    async def of(self, business: Hashable) -> AsyncIterator[None]:
        """Hold one of the reads of a business."""
        own = self._of_business.setdefault(business, asyncio.Semaphore(OF_BUSINESS))
        async with own, self._all:
            yield
