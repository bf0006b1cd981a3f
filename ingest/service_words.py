"""The words that systems have for the state of a service → running, stopped, starting or error.

Windows (by name and by number, as PowerShell's JSON has it), systemd, launchd, Docker, and processes by psutil.
"""

from typing import Any

WORDS = {
    "running": "running", "active": "running", "reloading": "running", "refreshing": "running", "up": "running",
    "sleeping": "running", "disksleep": "running", "idle": "running", "waiting": "running", "healthy": "running",
    "started": "running", "pausepending": "running",
    "stopped": "stopped", "inactive": "stopped", "dead": "stopped", "exited": "stopped", "disabled": "stopped",
    "paused": "stopped", "stoppending": "stopped", "stopping": "stopped", "deactivating": "stopped",
    "down": "stopped", "notrunning": "stopped", "masked": "stopped",
    "starting": "starting", "startpending": "starting", "continuepending": "starting", "activating": "starting",
    "restarting": "starting", "created": "starting",
    "error": "error", "failed": "error", "crashed": "error", "zombie": "error", "unhealthy": "error",
}  # fmt: skip
# SERVICE_STATUS of Windows: dwCurrentState.
NUMBERS: dict[float, str] = {
    1: "stopped", 2: "starting", 3: "stopped", 4: "running", 5: "starting", 6: "running", 7: "stopped",
}  # fmt: skip
WORDS |= {str(number): state for number, state in NUMBERS.items()}


def state_for(word: Any) -> str | None:
    """Return one of our four states for another system's word or number; None when it is none of them."""
    if isinstance(word, bool):
        return None
    if isinstance(word, int | float):  # 4.0 is 4: some programs have no other numbers
        return NUMBERS.get(word)
    if not isinstance(word, str):
        return None
    return WORDS.get("".join(letter for letter in word.casefold() if letter.isalnum()))
