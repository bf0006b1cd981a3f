"""Fairness between tenants: tenants take turns, so a tenant that uploads much delays only itself.

`WriteTurns` is a queue that serves tenants in turn, and the devices of each tenant in turn. `NewestOwners` shows
whether others uploaded recently.
"""

import time
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

RECENT_SECONDS = 1.0
QUIET_SECONDS = 10.0
CATCHING_UP_SECONDS = 60.0  # after a large upload of a device

Item = TypeVar("Item")


class WriteTurns(Generic[Item]):
    """Items of one device keep their order."""

    def __init__(self) -> None:
        self._tenants: OrderedDict[Hashable, OrderedDict[Hashable, deque[Item]]] = OrderedDict()
        self._tenant_of: dict[Hashable, Hashable] = {}  # of the devices that wait
        self._count = 0

    def __len__(self) -> int:
        """Return how many items wait."""
        return self._count

    def __contains__(self, device: Hashable) -> bool:
        """Return whether an item of a device waits."""
        return device in self._tenant_of

    def push(self, tenant: Hashable, device: Hashable, item: Item) -> None:
        """Let an item wait for its device's turn; a device that waits already stays with its tenant."""
        tenant = self._tenant_of.setdefault(device, tenant)
        self._tenants.setdefault(tenant, OrderedDict()).setdefault(device, deque()).append(item)
        self._count += 1

    def peek(self) -> Item:
        """Return the item whose turn it is; raises LookupError when none waits."""
        if not self._count:
            raise LookupError
        return next(iter(next(iter(self._tenants.values())).values()))[0]

    def pop(self) -> Item:
        """Remove and return the item whose turn it is; its device and its tenant go to the end of their queues."""
        if not self._count:
            raise LookupError
        tenant, devices = self._tenants.popitem(last=False)
        device, items = devices.popitem(last=False)
        item = items.popleft()
        if items:
            devices[device] = items
        else:
            del self._tenant_of[device]
        if devices:
            self._tenants[tenant] = devices
        self._count -= 1
        return item


class NewestOwners:
    """The two newest owners of small uploads: enough to find an owner other than any given one.

    A device that sent a large upload a moment ago is catching up. Its small uploads do not count: otherwise a fleet
    that comes back would slow itself down.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._owner: Hashable = None
        self._at = self._other_at = float("-inf")  # of the newest owner; of the newest that was another
        self._catching_up: OrderedDict[Hashable, float] = OrderedDict()  # devices, oldest first, and since when

    def note(self, owner: Hashable, device: Hashable = None) -> None:
        """Count a small upload of an owner."""
        if self._catching_up and self._catches_up(device):
            return
        if owner != self._owner:
            self._owner, self._other_at = owner, self._at
        self._at = self._clock()

    def note_large(self, device: Hashable) -> None:
        """Take note that a device sends a large upload."""
        self._catching_up[device] = self._clock()
        self._catching_up.move_to_end(device)

    def is_there_another(self, owner: Hashable) -> bool:
        """Return whether anybody but `owner` has uploaded within RECENT_SECONDS."""
        at = self._other_at if owner == self._owner else self._at
        return self._clock() - at < RECENT_SECONDS

    def is_anybody_there(self) -> bool:
        """Return whether anybody has uploaded within RECENT_SECONDS."""
        return self._clock() - self._at < RECENT_SECONDS

    def is_quiet(self) -> bool:
        """Return whether nobody has uploaded within QUIET_SECONDS: large uploads may use all there is."""
        return self._clock() - self._at >= QUIET_SECONDS

    def _catches_up(self, device: Hashable) -> bool:
        oldest = self._clock() - CATCHING_UP_SECONDS
        while self._catching_up and next(iter(self._catching_up.values())) < oldest:
            self._catching_up.popitem(last=False)
        return device in self._catching_up
