"""The services of a flush: their newest states and since when, and which lists are complete."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from core.text import clean_name
from ingest.device_updates import DeviceUpdate
from ingest.samples import ListedService, PartOfServices, Sample

MAX_LISTS = 300  # of one upload, the newest: how far back a state is followed
Listed = tuple[Sample, dict[str, ListedService]]  # a sample and its services by name
State = tuple[str, int | None, datetime, datetime]  # status, pid, checked at, in this state since


def service_parameters(updates: Iterable[DeviceUpdate], max_services: int) -> dict[str, Any]:
    """Return the parameters of the query `keep_services`; a name that a sample lists twice counts once, the last."""
    states: dict[tuple[UUID, str], State] = {}
    complete: list[tuple[UUID, datetime, datetime]] = []
    for entry in updates:
        if not entry.with_services:
            continue
        samples = sorted(entry.with_services, key=lambda sample: sample.collected_at)[-MAX_LISTS:]
        lists = lists_by_name(samples)
        newest, services = lists[-1]
        for name, service in services.items():
            since = newest.collected_at if len(lists) == 1 else state_since(lists, name, service.status)
            states[entry.agent_id, name] = service.status, service.pid, newest.collected_at, since
        if not isinstance(newest.services, PartOfServices):
            complete.append((entry.agent_id, newest.collected_at, first_complete(lists).collected_at))
    return {
        "device_ids": [agent_id for agent_id, _ in states],
        "names": [name for _, name in states],
        "statuses": [status for status, _, _, _ in states.values()],
        "pids": [pid for _, pid, _, _ in states.values()],
        "sampled_at": [at for _, _, at, _ in states.values()],
        "since": [since for _, _, _, since in states.values()],
        "listed_devices": [device for device, _, _ in complete],
        "listed_at": [newest for _, newest, _ in complete],
        "max_services": max_services,
        "oldest_listed_at": [oldest for _, _, oldest in complete],
    }


def lists_by_name(samples: Iterable[Sample]) -> list[Listed]:
    """Return samples with their services by name; most list the same ones as the sample before."""
    lists: list[Listed] = []
    for sample in samples:
        is_same = lists and sample.services == lists[-1][0].services
        lists.append((sample, lists[-1][1] if is_same else by_name(sample)))
    return lists


def by_name(sample: Sample) -> dict[str, ListedService]:
    """Return the services of a sample by their names as they are stored."""
    return {name: service for service in sample.services or () if (name := clean_name(service.name))}


def state_since(lists: list[Listed], name: str, status: str) -> datetime:
    """Return since when a service has been in its newest state, by the lists of one upload."""
    since = lists[-1][0].collected_at
    for sample, services in reversed(lists[:-1]):
        state = services.get(name)
        if state is None or state.status != status:
            break
        since = sample.collected_at
    return since


def first_complete(lists: list[Listed]) -> Sample:
    """Return the oldest list since which the names are unchanged: services missing now have been missing since then."""
    first, newest = lists[-1]
    for sample, services in reversed(lists[:-1]):
        if isinstance(sample.services, PartOfServices) or services.keys() != newest.keys():
            break
        first = sample
    return first
