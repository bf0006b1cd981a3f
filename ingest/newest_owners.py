"""Who uploaded a moment ago: the two newest owners, which is all that it takes to find somebody else."""

import time
from collections.abc import Callable, Hashable

RECENT_SECONDS = 1.0


class NewestOwners:
    """Keeps two owners and times, whatever the number of owners."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._owner: Hashable = None
        self._at = self._other_at = float("-inf")  # of the newest owner; of the newest that was another

    def note(self, owner: Hashable) -> None:
        """Count an upload of an owner."""
        if owner != self._owner:
            self._owner, self._other_at = owner, self._at
        self._at = self._clock()

    def is_there_another(self, owner: Hashable) -> bool:
        """Return whether anybody but `owner` has uploaded within RECENT_SECONDS."""
        at = self._other_at if owner == self._owner else self._at
        return self._clock() - at < RECENT_SECONDS
