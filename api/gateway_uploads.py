"""Stores uploads of gateways, which bring many hosts with one token: each host's samples go to its own device.

A host without a device costs only its own samples: they are refused with the reason, the others are stored.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from api.quotas import Quotas
from api.rate_limits import CallLimits
from auth.tokens import Sender
from core.errors import RevokedTokenError
from core.micros import from_time
from core.text import clean_name
from db.hypertables.policies import MAX_SAMPLE_LEAD
from devices.gateway_hosts import CurrentGateway, GatewayHosts
from ingest.decode import accepted_by_time
from ingest.errors import TooManySamplesError, UnstorableUploadError
from ingest.group_commit import GroupCommit
from ingest.pending import Upload
from ingest.samples import Sample
from protocols.answers import Stored
from protocols.fold import fold_samples
from protocols.memory import DeviceMemory, Memory
from protocols.readings import MeasuredValue, MetricReading, floor

log = logging.getLogger(__name__)

MAX_HOST = 255
# Errors that cost only the samples of one host.
HOST_ERRORS = (RevokedTokenError, UnstorableUploadError)


@dataclass(frozen=True, slots=True)
class Arrival:
    """The time of receipt of an upload (UTC), and its limits.

    `every` is how wide its sender wants the cells: microseconds, 0 for as they are. A sample older than `max_age` is
    refused.
    """

    at: datetime
    every: int
    max_age: timedelta

    def samples_of(self, values: Sequence[MeasuredValue], memory: DeviceMemory) -> list[Sample]:
        return fold_samples(values, memory, self.every, from_time(self.at + MAX_SAMPLE_LEAD))

    def count_rejected(self, values: Sequence[MeasuredValue]) -> int:
        """Return how many values belong to samples that are too old or too far ahead."""
        earliest, latest = from_time(self.at - self.max_age), from_time(self.at + MAX_SAMPLE_LEAD)
        return sum(not earliest <= floor(value.cell, self.every or 1) <= latest for value in values)


class GatewayUploads:
    """Stores the uploads of gateways."""

    def __init__(
        self,
        gateways: GatewayHosts,
        commits: GroupCommit,
        limits: CallLimits,
        quotas: Quotas,
        memory: Memory,
        max_samples: int,
    ) -> None:
        self._gateways = gateways
        self._commits = commits
        self._limits = limits
        self._quotas = quotas
        self._memory = memory
        self._max_samples = max_samples

    async def store(self, sender: Sender, reading: MetricReading, arrival: Arrival) -> Stored:
        """Commit the samples of each host that has a device; raises RtsError if the whole upload fails."""
        gateway = await self._gateways.of(sender.agent_id, sender.token_hash)
        self._limits.learn(sender.agent_id, gateway.business_id, sender.token_hash)
        hosts = by_clean_name(reading)
        await self._gateways.add_unknown(gateway, hosts)
        uploads = self._uploads_of(gateway, hosts, reading, arrival)
        waiting = [self._commits.submit(upload, gateway.business_id) for upload in uploads.values()]
        results = await asyncio.gather(*waiting, return_exceptions=True)
        rejected = [one.message for upload in uploads.values() for one in upload.decoded.rejected]
        for upload in uploads.values():
            self._quotas.spend(upload.agent_id, gateway.business_id, samples=upload.inserted)
            upload.rows.clear()  # rows refer to the upload: a cycle that only the garbage collector would free
        await self._judge(gateway, hosts, dict(zip(uploads, results, strict=True)), reading)
        rejected_values = sum(arrival.count_rejected(hosts[host]) for host in uploads) if rejected else 0
        return Stored(reading, rejected, rejected_values)

    def _uploads_of(
        self, gateway: CurrentGateway, hosts: dict[str, list[MeasuredValue]], reading: MetricReading, arrival: Arrival
    ) -> dict[str, Upload]:
        """Return an upload for each host that has a device, the others refused or left out."""
        uploads: dict[str, Upload] = {}
        samples_left = self._max_samples
        # A host is found by its name, so an upload never changes the name.
        machines = {
            clean_name(name).lower(): replace(machine, hostname=None) for name, machine in reading.machines.items()
        }
        # Hosts with the fewest samples come first: a host with too many uses up no other's room.
        for host, values in sorted(hosts.items(), key=lambda item: len(item[1])):
            device_id = gateway.devices.get(host)
            if device_id is None:
                if host not in gateway.refused:
                    reading.wait(f"host {host[:100]} waits for an employee to confirm it", len(values))
                continue
            if self._quotas.is_used_up(device_id, "samples"):
                reading.refuse(f"host {host[:100]} has used up its quota of samples for today", len(values))
                continue
            memory = self._memory.of(device_id, gateway.token_hash)
            memory.expects_parts = reading.in_parts
            try:
                upload = make_upload(device_id, gateway.token_hash, values, memory, arrival, samples_left)
            except TooManySamplesError as error:
                reading.refuse(f"host {host[:100]} uploads too many samples: {error.message}", len(values))
                continue
            except Exception as error:
                log.exception("the samples of a host of gateway %s cannot be read", gateway.id)
                reading.refuse(f"the samples of host {host[:100]} cannot be read: {error!r}"[:300], len(values))
                continue
            upload.decoded.facts = machines.get(host)
            samples_left -= upload.decoded.received
            uploads[host] = upload
        return uploads

    async def _judge(
        self,
        gateway: CurrentGateway,
        hosts: dict[str, list[MeasuredValue]],
        results: dict[str, BaseException | None],
        reading: MetricReading,
    ) -> None:
        """Refuse the samples of hosts whose upload failed; raise an error that all have, a revoked token first."""
        failed = {host: error for host, error in results.items() if error}
        if any(isinstance(error, RevokedTokenError) for error in failed.values()):
            self._gateways.forget(gateway)
            await self._gateways.of(gateway.id, gateway.token_hash)  # raises when the gateway itself is revoked
        for host, error in failed.items():
            if not isinstance(error, HOST_ERRORS):
                raise error
            reading.refuse(f"the device of host {host[:100]} accepts no samples: {error.code}", len(hosts[host]))


def by_clean_name(reading: MetricReading) -> dict[str, list[MeasuredValue]]:
    """Return the values by host in lower case; those of no host are refused."""
    values_by_name: dict[str, list[MeasuredValue]] = {}
    for name, values in reading.by_host.items():
        host = clean_name(name).lower()[:MAX_HOST].strip()
        if values and host:
            values_by_name.setdefault(host, []).extend(values)
        elif values:
            reading.refuse("no host is named: samples of a gateway require one", len(values))
    return values_by_name


def make_upload(
    device_id: UUID,
    token_hash: str,
    values: Sequence[MeasuredValue],
    memory: DeviceMemory,
    arrival: Arrival,
    max_samples: int,
) -> Upload:
    """Return the upload of one device, whose samples may be parts of rows; raises TooManySamplesError."""
    may_lack_interfaces, may_lack_disk = memory.may_lack_interfaces, not memory.has_system_disk
    samples = arrival.samples_of(values, memory)
    decoded = accepted_by_time(samples, arrival.at, max_samples, arrival.max_age)
    before = memory.counted_before(decoded.samples[0].collected_at) if decoded.samples else None
    upload = Upload(
        device_id, token_hash, arrival.at, decoded, merges=True, before=before,
        may_lack_interfaces=may_lack_interfaces, may_lack_system_disk=may_lack_disk,
    )  # fmt: skip
    upload.make_rows()
    return upload
