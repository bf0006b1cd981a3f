"""What our agent measures of this machine: traffic that leaves it, programs that are started anew."""

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import pytest

from agent.collect import Collector, network_totals
from agent.measured import measured

MIB = 2**20


def send_over_loopback(size: int) -> None:
    """Send bytes from this machine to itself."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=swallow, args=(server,))
        thread.start()
        with socket.create_connection(server.getsockname()) as client:
            for _ in range(size // MIB):
                client.sendall(bytes(MIB))
        thread.join()


def swallow(server: socket.socket) -> None:
    taken, _ = server.accept()
    with taken:
        while taken.recv(MIB):
            pass


def test_traffic_over_the_loopback_never_left() -> None:
    before, loopback = network_totals(), psutil.net_io_counters(pernic=True)["lo"].bytes_recv
    send_over_loopback(64 * MIB)
    after = network_totals()
    assert psutil.net_io_counters(pernic=True)["lo"].bytes_recv - loopback >= 64 * MIB
    if before and after:  # what other adapters do meanwhile is theirs
        assert after[0] - before[0] < 32 * MIB
        assert after[1] - before[1] < 32 * MIB


class Counters(NamedTuple):
    bytes_recv: int
    bytes_sent: int


@pytest.mark.parametrize("virtual", ["lo", "Loopback Pseudo-Interface 1", "veth12ab", "docker0", "br-1f", "virbr0",
                                     "tun0", "tap1", "utun3", "wg0"])  # fmt: skip
def test_a_virtual_adapter_counts_for_nothing(monkeypatch: pytest.MonkeyPatch, virtual: str) -> None:
    adapters = {"eth0": Counters(5, 7), virtual: Counters(1000, 1000)}
    monkeypatch.setattr(psutil, "net_io_counters", lambda **_: adapters)
    assert network_totals() == (5, 7)
    del adapters["eth0"]
    assert network_totals() is None


@pytest.fixture
def start(tmp_path: Path) -> Any:
    """Starts a program under a name of its own."""
    program = tmp_path / "rts-watched"
    program.symlink_to(sys.executable)
    running: list[subprocess.Popen[bytes]] = []

    def begin() -> subprocess.Popen[bytes]:
        process = subprocess.Popen([program, "-c", "import time; time.sleep(600)"])
        running.append(process)
        until = time.monotonic() + 30
        while psutil.Process(process.pid).name() != "rts-watched":
            assert time.monotonic() < until
            time.sleep(0.01)
        return process

    yield begin
    for process in running:
        process.kill()
        process.wait()


def test_a_program_that_is_started_anew_is_running_under_its_new_pid(
    start: Callable[[], subprocess.Popen[bytes]],
) -> None:
    collector, first = Collector(), start()
    collector._watched = {"rts-watched": first.pid}
    assert collector.watched() == [{"name": "rts-watched", "status": "running", "pid": first.pid}]
    first.kill()
    first.wait()
    assert collector.watched() == [{"name": "rts-watched", "status": "stopped", "pid": None}]
    second = start()
    assert collector.watched() == [{"name": "rts-watched", "status": "running", "pid": second.pid}]


def test_a_program_whose_pid_another_one_has_is_stopped(start: Callable[[], subprocess.Popen[bytes]]) -> None:
    collector, other = Collector(), start()
    collector._watched = {"gone": other.pid}
    assert collector.watched() == [{"name": "gone", "status": "stopped", "pid": None}]


def test_a_part_that_cannot_be_measured_costs_only_itself(caplog: pytest.LogCaptureFixture) -> None:
    def of_an_unknown_kernel() -> float:
        raise ValueError("not sure how to interpret line")

    assert [measured("a line", of_an_unknown_kernel) for _ in range(3)] == [None, None, None]
    assert measured("another", lambda: 4) == 4
    assert [record.getMessage() for record in caplog.records] == [
        "a line cannot be measured: ValueError('not sure how to interpret line')"
    ]
