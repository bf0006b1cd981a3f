"""The agent goes on when its disk is full, its files are damaged, or another agent has them."""

import subprocess
import sys
from pathlib import Path

import pytest

from agent import database as database_module
from agent.database import StoreInUseError
from agent.store import AgentStore

FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from agent import database
from agent.store import AgentStore

def numbers(store):
    return [sample["number"] for _, sample in store.oldest_samples(1000)]

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
database.FILE_AGAIN_SECONDS = 0.0
file = Path(sys.argv[1])
store = AgentStore(file)
for number in range(5):
    store.add_sample({"number": number, "text": "x" * 1000})
resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))  # no file may grow, or be written at all
for number in range(5, 200):
    store.add_sample({"number": number, "text": "x" * 1000})
assert numbers(store) == list(range(200)), numbers(store)
store.drop_samples(100)
assert store.begin_command("one", "2026-05-03T14:05:00+00:00")
assert numbers(store) == list(range(100, 200))
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
store.add_sample({"number": 200})
store.close()
again = AgentStore(file)
assert numbers(again) == list(range(100, 201)), numbers(again)
assert again.has_begun("one")
"""


def numbers_in(store: AgentStore) -> list[int]:
    return [sample["number"] for _, sample in store.oldest_samples(1000)]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A queue with two samples, which no agent has open."""
    file = tmp_path / "agent.queue"
    store = AgentStore(file)
    for number in range(2):
        store.add_sample({"number": number})
    store.close()
    return file


def test_samples_are_in_memory_while_the_disk_is_full_and_in_the_file_afterwards(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FULL_DISK, str(tmp_path / "agent.queue")]
    ended = subprocess.run(command, check=False, timeout=120, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert "the samples are kept in memory" in ended.stderr


def test_a_file_that_is_no_database_is_set_aside(file: Path) -> None:
    file.write_bytes(b"not a database, " * 500)
    store = AgentStore(file)
    store.add_sample({"number": 7})
    store.close()
    assert file.with_suffix(".damaged").read_bytes().startswith(b"not a database")
    assert numbers_in(AgentStore(file)) == [7]


def test_a_file_that_is_damaged_while_the_agent_runs_does_not_end_it(file: Path) -> None:
    store = AgentStore(file)
    file.write_bytes(b"not a database, " * 500)
    store.add_sample({"number": 7})
    assert 7 in numbers_in(store)
    store.close()


def test_a_place_that_cannot_be_written_leaves_the_samples_in_memory() -> None:
    store = AgentStore(Path("/proc/nothing/agent.queue"))
    store.add_sample({"number": 7})
    assert numbers_in(store) == [7]


def test_one_agent_at_a_time_has_the_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_module, "LOCK_SECONDS", 0.1)
    first = AgentStore(file)
    with pytest.raises(StoreInUseError, match="another agent runs"):
        AgentStore(file)
    first.close()
    assert numbers_in(AgentStore(file)) == [0, 1]
