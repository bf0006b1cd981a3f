"""A queue that serves tenants in turn, and of one tenant its devices in turn: who sends much waits for itself."""

from collections import OrderedDict, deque
from collections.abc import Hashable
from typing import Generic, TypeVar

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
        """Take the item whose turn it is; its device and its tenant go to the end of their rows."""
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
