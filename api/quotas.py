"""Daily quotas of devices and businesses, counted in memory, so that an upload costs no query.

A quota holds a day's amount and refills evenly. Uploads are counted after COMMIT: the one that exceeds a quota is
accepted, and the next one waits. Each process counts separately; a business has many connections, so each process of a
server allows it a share.
"""

import math
import time
from collections.abc import Callable
from typing import ClassVar, Literal
from uuid import UUID

from core.errors import RtsError
from core.quota_settings import QuotaSettings

Resource = Literal["samples", "bytes", "events", "software"]
DAY_SECONDS = 86_400
MAX_KEYS = 200_000  # devices in memory; beyond it all counts are dropped, as after a restart
MAX_WAIT_SECONDS = 3600


class QuotaExceededError(RtsError):
    """A daily quota is used up: keep the data and send it again after Retry-After seconds."""

    code: ClassVar[str] = "quota_exceeded"
    status: ClassVar[int] = 429

    def __init__(self, quota: str, limit: int, wait_seconds: float) -> None:
        """`quota` is the setting without `RTS_`, in lower case."""
        self._wait = max(1, math.ceil(min(wait_seconds, MAX_WAIT_SECONDS)))
        message = f"The quota {quota} ({limit}) is used up: send this again after {self._wait} s."
        super().__init__(message, details={"quota": quota, "limit": limit, "retry_after_seconds": self._wait})

    def headers(self, retry_after_seconds: int) -> dict[str, str]:
        del retry_after_seconds
        return {"Retry-After": str(self._wait)}


class DayAmounts:
    """One amount a day for each key; it refills evenly, and a deficit is paid back before anything is left."""

    def __init__(self, per_day: float, clock: Callable[[], float]) -> None:
        self._per_day = per_day
        self._clock = clock
        self._left: dict[UUID, tuple[float, float]] = {}  # the amount left, and the time (seconds) of that

    def wait(self, key: UUID) -> float:
        """Return 0.0 if at least one unit is left for the key, else the seconds until then."""
        balance = self._now(key)
        return 0.0 if balance >= 1 else (1 - balance) * DAY_SECONDS / self._per_day

    def spend(self, key: UUID, amount: float) -> None:
        balance = self._now(key)
        if len(self._left) >= MAX_KEYS and key not in self._left:
            self._left.clear()
        self._left[key] = balance - amount, self._clock()

    def _now(self, key: UUID) -> float:
        stored = self._left.get(key)
        if stored is None:
            return self._per_day
        return min(self._per_day, stored[0] + (self._clock() - stored[1]) * self._per_day / DAY_SECONDS)


class Quotas:
    """The quotas of devices and businesses in this process: samples, bytes, events and software a day."""

    def __init__(
        self,
        settings: QuotaSettings,
        workers: int,
        business_of: Callable[[UUID], UUID | None],
        refusals: dict[str, int] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`business_of` returns the business of a device, None while it is unknown; `refusals` counts by quota."""
        self._business_of = business_of
        self._refusals = {} if refusals is None else refusals
        self._limits: dict[tuple[str, str], tuple[int, DayAmounts]] = {}
        for name in type(settings).model_fields:
            owner, _, rest = name.partition("_")
            resource, _, per_day = rest.partition("_")
            limit = getattr(settings, name) if per_day == "per_day" else 0
            if limit:
                share = limit / workers if owner == "business" else limit
                self._limits[owner, resource] = limit, DayAmounts(share, clock)

    def check(self, device_id: UUID, *resource: Resource, is_gateway: bool = False) -> None:
        """Raise QuotaExceededError if one of these resources is used up for the device or its business.

        A gateway brings many devices, so only the quota of its business counts.
        """
        business_id = self._business_of(device_id)
        for name in resource:
            if not is_gateway:
                self._check("device", name, device_id)
            if business_id:
                self._check("business", name, business_id)

    def is_used_up(self, device_id: UUID, resource: Resource) -> bool:
        """Return whether the device's quota of this resource is used up."""
        quota = self._limits.get(("device", resource))
        return bool(quota and quota[1].wait(device_id))

    def spend(
        self, device_id: UUID, business_id: UUID | None = None, *, is_gateway: bool = False, **amounts: int
    ) -> None:
        """Count stored amounts of a device by resource: samples, bytes, events, software.

        `business_id` is the device's business, if the caller has it; of a gateway only its business's quota is counted.
        """
        keys = ("device", None if is_gateway else device_id), ("business", business_id or self._business_of(device_id))
        for name, amount in amounts.items():
            for owner, key in keys:
                quota = self._limits.get((owner, name))
                if quota and key and amount:
                    quota[1].spend(key, amount)

    def _check(self, owner: str, resource: str, key: UUID) -> None:
        limit = self._limits.get((owner, resource))
        wait = limit[1].wait(key) if limit else 0.0
        if limit and wait:
            quota = f"{owner}_{resource}_per_day"
            self._refusals[quota] = self._refusals.get(quota, 0) + 1
            raise QuotaExceededError(quota, limit[0], wait)
