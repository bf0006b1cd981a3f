"""The uploads of an agent and their receipts: the agents' side of the conservation check."""

from array import array
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from loadtest.fleet.payloads import Payload
from loadtest.fleet.series import SERIES_VALUES


@dataclass(slots=True)
class Account:
    """Samples of one agent. An upload that is sent again counts each time; `stored` counts every sample once.

    `sent` = `accepted` + `duplicates` + `rejected`: all samples in uploads that got a final answer. `unsure` are those
    of sends with an unknown outcome: the answer was lost, or a 503. Only these may be in the database without having
    been called accepted.
    """

    sent: int = 0
    accepted: int = 0
    duplicates: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    unsure: int = 0
    waiting: int = 0  # samples due and not yet settled
    faults: list[str] = field(default_factory=list)  # unexpected answers
    _times: "array[int]" = field(default_factory=lambda: array("q"))
    _tenths: "array[int]" = field(default_factory=lambda: array("h"))
    _has_series: "array[int]" = field(default_factory=lambda: array("b"))

    def receive(self, payload: Payload, receipt: dict[str, Any]) -> None:
        """Count the answer 200 to an upload."""
        codes = {one["index"]: one["code"] for one in receipt["rejected"]}
        parts = receipt["accepted"] + receipt["duplicates"] + len(codes)
        if payload.refusal or codes != payload.expected:
            self.faults.append(
                f"expected {payload.refusal or payload.expected or 'no rejection'}, got 200 with {codes}"
            )
        if receipt["received"] != payload.size or parts != payload.size:
            self.faults.append(f"{payload.size} samples were sent, and the answer was {receipt}")
        self.sent += payload.size
        self.accepted += receipt["accepted"]
        self.duplicates += receipt["duplicates"]
        self.rejected.update(codes.values())
        for index in range(payload.size):
            if index not in codes:
                self._times.append(payload.times[index])
                self._tenths.append(payload.tenths[index])
                self._has_series.append(payload.has_series)

    def refuse(self, payload: Payload, answer: str) -> None:
        """Count an upload that was refused as a whole: `answer` is its status and code."""
        if answer != payload.refusal:
            self.faults.append(f"expected {payload.refusal or '200'}, got {answer}")
        self.sent += payload.size
        self.rejected[answer] += payload.size

    def lose(self, payload: Payload) -> None:
        """Count a send without an answer."""
        self.unsure += payload.size

    def stored(self) -> dict[int, tuple[int, int]]:
        """Return each sample that the server acknowledged: time → CPU in tenths, and whether it has series.

        Of two at one time, the first.
        """
        counts: dict[int, tuple[int, int]] = {}
        for ms, tenths, has_series in zip(self._times, self._tenths, self._has_series, strict=True):
            counts.setdefault(ms, (tenths, has_series))
        return counts

    def close(self) -> dict[str, Any]:
        """Return the account as plain numbers, for the check."""
        stored = self.stored()
        of_series = [tenths for tenths, has_series in stored.values() if has_series]
        return {
            "sent": self.sent, "accepted": self.accepted, "duplicates": self.duplicates,
            "rejected": dict(self.rejected), "unsure": self.unsure, "waiting": self.waiting,
            "faults": self.faults[:5],
            "stored": len(stored), "times_sum": sum(stored), "tenths_sum": sum(tenths for tenths, _ in stored.values()),
            "series_values": SERIES_VALUES * len(of_series), "series_tenths_sum": sum(of_series),
        }  # fmt: skip
