"""Two days of a small fleet, as uploads that the writer takes: values that wander as those of real machines do."""

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from uuid import UUID

from auth.tokens import token_hash
from ingest.pending import Upload
from ingest.samples import Decoded, Sample
from loadtest.bench.payloads import UploadingAgent


class Device:
    """One device's values: each sample is a step away from the one before."""

    def __init__(self, agent: UploadingAgent, chance: random.Random) -> None:
        self.agent_id: UUID = agent.agent_id
        self.token_hash = token_hash(agent.token)
        self._chance = chance
        self._cpu, self._memory, self._disk = chance.uniform(2, 60), chance.uniform(4, 28), chance.uniform(50, 400)
        self._received = self._sent = chance.randrange(10**9)

    def sample(self, at: datetime, seconds: int) -> Sample:
        """Return the sample at a time, `seconds` after the one before."""
        chance = self._chance
        self._cpu = min(100.0, max(0.0, self._cpu + chance.gauss(0, 3)))
        self._memory = min(32.0, max(1.0, self._memory + chance.gauss(0, 0.05)))
        self._disk += 0.01 * (chance.random() < 0.1)
        self._received += chance.randrange(20_000 * seconds)
        self._sent += chance.randrange(5_000 * seconds)
        load = self._cpu / 25
        return Sample(
            at, cpu_percent=round(self._cpu, 1), memory_used_gb=round(self._memory, 2),
            memory_percent=round(self._memory / 0.32, 1), disk_used_gb=round(self._disk, 2),
            disk_percent=round(self._disk / 5, 1),
            load_average=(round(load, 2), round(load * 0.9, 2), round(load * 0.8, 2)),
            uptime_seconds=int(at.timestamp()) % 10_000_000, network_rx_bytes=self._received,
            network_tx_bytes=self._sent,
        )  # fmt: skip


def make_uploads(
    agents: list[UploadingAgent], begin: datetime, end: datetime, every_seconds: int, samples: int
) -> Iterator[tuple[datetime, list[Upload]]]:
    """Yield, in order of time, when the devices upload and what: each `samples` at a time."""
    every = timedelta(seconds=every_seconds)
    devices = [Device(agent, random.Random(number)) for number, agent in enumerate(agents)]  # noqa: S311  no secret
    while begin < end:
        times = [begin + step * every for step in range(samples) if begin + step * every < end]
        yield times[-1], [make_upload(device, times, every_seconds) for device in devices]
        begin = times[-1] + every


def make_upload(device: Device, times: list[datetime], every_seconds: int) -> Upload:
    """Return an upload as the route hands it to the writer."""
    samples = [device.sample(at, every_seconds) for at in times]
    decoded = Decoded(len(samples), samples, [None] * len(samples), [])
    upload = Upload(device.agent_id, device.token_hash, times[-1], decoded)
    upload.make_rows()
    return upload
