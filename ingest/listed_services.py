"""Reads the services of one sample entry by entry: a faulty entry never costs the others."""

from typing import Any

from core.text import clean_name
from ingest.faults import FaultError, Notes, short_form
from ingest.samples import SERVICE_STATUSES, ListedService, PartOfServices
from ingest.service_words import state_for

MAX_SERVICES = 500
MAX_NAME = 255
HIGHEST_PID = 2**32


def read_services(value: Any, notes: Notes) -> list[ListedService] | None:
    """Return the readable services, as PartOfServices if one was dropped. Raises FaultError unless it is a list."""
    if value is None:
        return None
    if not isinstance(value, list):
        raise FaultError("wrong_type", f"services must be a list, not {short_form(value)}; ignored")
    services = [service for entry in value[:MAX_SERVICES] if (service := read_service(entry, notes))]
    if len(value) > MAX_SERVICES:
        message = f"the list has {len(value)} services, the first {MAX_SERVICES} are taken"
        notes.add("services", FaultError("too_many_services", message))
    return services if len(services) == len(value) else PartOfServices(services)


def read_service(entry: Any, notes: Notes) -> ListedService | None:
    """Return one service; None, and a note, when it has no name."""
    name = clean_name(entry["name"]) if isinstance(entry, dict) and isinstance(entry.get("name"), str) else ""
    if not name:
        message = f"a service must be an object with a name, not {short_form(entry)}; ignored"
        notes.add("services", FaultError("invalid_service", message))
        return None
    if name != entry["name"] or len(name) > MAX_NAME:
        name = name[:MAX_NAME].strip()
        notes.add(
            "services", FaultError("changed_text", f"{short_form(entry['name'])} is stored as {short_form(name)}")
        )
    return ListedService(name, read_status(name, entry.get("status"), notes), read_pid(name, entry.get("pid"), notes))


def read_status(name: str, status: Any, notes: Notes) -> Any:
    """Return one of the four states; a word that is not understood becomes "error", never "running"."""
    if isinstance(status, str) and status in SERVICE_STATUSES:
        return status
    state = state_for(status)
    code = "unknown_status" if state is None else "changed_status"
    state = state or "error"
    notes.add("services", FaultError(code, f"status {short_form(status)} of {short_form(name)} is stored as {state}"))
    return state


def read_pid(name: str, pid: Any, notes: Notes) -> int | None:
    """Return a process id; None, and a note, if `pid` cannot be one."""
    if pid is None:
        return None
    is_number = isinstance(pid, int | float) and not isinstance(pid, bool)
    if is_number and 0 <= pid <= HIGHEST_PID and pid == int(pid):  # false for NaN and infinity
        return int(pid)
    notes.add("services", FaultError("out_of_range", f"pid {short_form(pid)} of {short_form(name)} is stored as null"))
    return None
