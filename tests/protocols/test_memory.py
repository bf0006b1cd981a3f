"""Sums are complete or null, and CPU shares come from cumulative seconds."""

from itertools import count

import pytest

from ingest.samples import Sample
from protocols.fold import fold_samples
from protocols.memory import DeviceMemory, busy_share, is_real
from protocols.readings import LAST_CELL, MeasuredValue, MetricReading, Quantity

SECOND = 1_000_000
T = 1_795_830_160 * SECOND


def values_of(*values: tuple[int, Quantity, str, float]) -> list[MeasuredValue]:
    reading = MetricReading()
    for at, quantity, instance, value in values:
        reading.add(T + at * SECOND, quantity, instance, value)
    return reading.values


def received(samples: list[Sample]) -> list[float | None]:
    return [sample.network_rx_bytes for sample in samples]


@pytest.fixture
def memory() -> DeviceMemory:
    """The memory of a device with two interfaces."""
    memory = DeviceMemory()
    both = values_of((0, Quantity.NETWORK_RX, "eth0", 100), (0, Quantity.NETWORK_RX, "eth1", 50))
    assert received(fold_samples(both, memory)) == [150]
    return memory


def test_half_of_the_interfaces_give_no_sum(memory: DeviceMemory) -> None:
    half = values_of((60, Quantity.NETWORK_RX, "eth0", 110), (60, Quantity.LOAD, "1m", 1))
    assert received(fold_samples(half, memory)) == [None]


def test_the_other_half_completes_the_sum(memory: DeviceMemory) -> None:
    fold_samples(values_of((60, Quantity.NETWORK_RX, "eth0", 110)), memory)
    assert received(fold_samples(values_of((60, Quantity.NETWORK_RX, "eth1", 51)), memory)) == [161]


def test_a_half_that_is_sent_again_is_still_a_half(memory: DeviceMemory) -> None:
    half = values_of((60, Quantity.NETWORK_RX, "eth0", 110), (60, Quantity.LOAD, "1m", 1))
    assert received(fold_samples(half, memory)) == [None]
    assert received(fold_samples(half, memory)) == [None]


def test_an_interface_that_is_gone_is_left_out_from_the_second_sample_on(memory: DeviceMemory) -> None:
    first = values_of((60, Quantity.NETWORK_RX, "eth0", 110), (60, Quantity.LOAD, "1m", 1))
    assert received(fold_samples(first, memory)) == [None]
    assert received(fold_samples(values_of((120, Quantity.NETWORK_RX, "eth0", 120)), memory)) == [120]


def test_the_largest_set_of_a_request_with_several_times_is_the_measure() -> None:
    catch_up = values_of(
        (0, Quantity.NETWORK_RX, "eth0", 1), (60, Quantity.NETWORK_RX, "eth0", 2), (60, Quantity.NETWORK_RX, "eth1", 2),
        (0, Quantity.LOAD, "1m", 1),
    )  # fmt: skip
    assert received(fold_samples(catch_up, DeviceMemory())) == [None, 4]


@pytest.mark.parametrize(
    "name",
    ["lo", "lo0", "Loopback Pseudo-Interface 1", "veth12ab", "docker0", "br-1f", "virbr0", "tun0", "all", "cni0"],
)
def test_an_interface_that_is_not_of_the_device_is_left_out(name: str) -> None:
    assert not is_real(name)


@pytest.mark.parametrize("name", ["eth0", "enp3s0", "wlan0", "en0", "Ethernet 2", "bond0"])
def test_an_interface_of_the_device_counts(name: str) -> None:
    assert is_real(name)


def test_a_share_comes_from_two_readings_of_seconds() -> None:
    before = {"0 idle": 100.0, "0 user": 50.0, "0 iowait": 5.0}
    assert busy_share(before, {"0 idle": 104.0, "0 user": 53.0, "0 iowait": 8.0}, 10) == pytest.approx(30)


def test_a_reboot_gives_no_share() -> None:
    assert busy_share({"0 idle": 100.0}, {"0 idle": 3.0}, 10) is None


def test_states_that_are_left_out_make_the_time_that_went_by_the_measure() -> None:
    assert busy_share({"0 idle": 0.0, "0 user": 0.0}, {"0 idle": 2.0, "0 user": 3.0}, 10) == pytest.approx(30)


def test_a_reading_after_a_long_gap_gives_no_share() -> None:
    memory = DeviceMemory()
    fold_samples(values_of((0, Quantity.CPU_SECONDS, "0 idle", 100)), memory)
    late = values_of((3600, Quantity.CPU_SECONDS, "0 idle", 200), (3600, Quantity.LOAD, "1m", 1))
    assert [sample.cpu_percent for sample in fold_samples(late, memory)] == [None]


def test_an_earlier_reading_that_comes_later_still_gives_the_share() -> None:
    memory = DeviceMemory()
    later = {"0 idle": 55.0, "0 user": 5.0, "0 iowait": 0.0}
    earlier = {"0 idle": 0.0, "0 user": 0.0, "0 iowait": 0.0}
    fold_samples(values_of(*((60, Quantity.CPU_SECONDS, name, value) for name, value in later.items())), memory)
    samples = fold_samples(
        values_of(*((0, Quantity.CPU_SECONDS, name, value) for name, value in earlier.items())), memory
    )
    assert [sample.cpu_percent for sample in samples] == [pytest.approx(100 * 5 / 60)]


def test_a_memory_keeps_the_newest_cells_only() -> None:
    memory = DeviceMemory()
    for number in range(100):
        fold_samples(values_of((60 * number, Quantity.LOAD, "1m", 1)), memory)
    assert len(memory.cells) <= 8


@pytest.mark.parametrize("at", [-1, -(10**30), LAST_CELL + 1, 10**30])
def test_a_value_of_a_time_that_no_clock_shows_is_refused_and_not_remembered(memory: DeviceMemory, at: int) -> None:
    reading = MetricReading()
    reading.add(at, Quantity.LOAD, "1m", 1)
    assert (reading.values, reading.refused) == ([], 1)
    assert fold_samples(reading.values, memory) == []
    assert set(memory.cells) == {T}


def test_a_time_far_ahead_is_reported_once_and_does_not_displace_the_newest_cells(memory: DeviceMemory) -> None:
    ahead = values_of(*((86_400 * day, Quantity.LOAD, "1m", 1) for day in range(1, 20)))
    assert len(fold_samples(ahead, memory, newest=T + 600 * SECOND)) == 19
    both = values_of((60, Quantity.NETWORK_RX, "eth0", 110), (60, Quantity.NETWORK_RX, "eth1", 60))
    assert received(fold_samples(both, memory, newest=T + 660 * SECOND)) == [170]


class ComparedTime(int):
    """A time that counts how often times are compared."""

    comparisons = count()

    def __lt__(self, other: int) -> bool:
        next(self.comparisons)
        return int(self) < int(other)

    def __gt__(self, other: int) -> bool:
        next(self.comparisons)
        return int(self) > int(other)


def comparisons_of(times: int) -> int:
    """Return how many comparisons of times it takes to fold a request with so many."""
    values = values_of(
        *((at, Quantity.LOAD, "1m", 1) for at in range(times)),
        *((at, Quantity.NETWORK_RX, "eth0", at) for at in range(times)),
        *((at, Quantity.CPU_SECONDS, f"0 {state}", at / 2) for at in range(times) for state in ("idle", "user")),
    )
    counted = [one._replace(cell=ComparedTime(one.cell)) for one in values]
    ComparedTime.comparisons = count()
    samples = fold_samples(counted, DeviceMemory())
    assert [sample.cpu_percent for sample in samples] == [None, *[pytest.approx(50)] * (times - 1)]
    return next(ComparedTime.comparisons)


def test_a_request_with_many_times_compares_each_with_few_others() -> None:
    assert comparisons_of(2000) < 3 * comparisons_of(1000)


def memory_states(at: int, **states: float) -> list[MeasuredValue]:
    loads = [(at, Quantity.LOAD, "1m", 1.0)]
    return values_of(*loads, *((at, Quantity.MEMORY_STATE, name, value) for name, value in states.items()))


def test_of_a_sender_in_parts_the_first_cells_show_which_states_there_are_and_no_share() -> None:
    memory = DeviceMemory(expects_parts=True)
    parts = [
        memory_states(0, cached=50) + memory_states(10, used=20, free=2), memory_states(10, cached=78),
        memory_states(20, used=20, free=5), memory_states(20, cached=75), memory_states(30, used=25, free=5, cached=70),
    ]  # fmt: skip
    shares = [[sample.memory_percent for sample in fold_samples(part, memory)] for part in parts]
    assert shares == [[None, None], [None], [None], [20], [25]]
