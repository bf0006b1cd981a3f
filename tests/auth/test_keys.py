"""The file of signing keys: who may read it, how keys come and go, and that a running server follows."""

import json
import time
from pathlib import Path

import pytest

from auth import keys as keys_module
from auth.errors import KeyFileError
from auth.keys import RINGS, KeyFile, KeyRing


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "rts" / "keys.json"
    KeyFile(file).create()
    return file


def rotate(path: Path) -> KeyRing:
    """Rotate the agents' ring as `rts-agents keys rotate` does, in another process."""
    rings = {name: KeyFile(path).ring(name) for name in RINGS}
    rings["agent"].rotate()
    KeyFile(path).save(rings)
    return rings["agent"]


def test_a_new_file_is_for_its_owner_only_and_has_a_key_in_each_ring(path: Path) -> None:
    assert path.stat().st_mode & 0o777 == 0o600
    assert [len(KeyFile(path).ring(name).keys) for name in RINGS] == [1, 1]
    assert KeyFile(path).ring("agent").keys != KeyFile(path).ring("platform").keys


def test_saving_leaves_nothing_else_behind(path: Path) -> None:
    rotate(path)
    assert (list(path.parent.iterdir()), path.stat().st_mode & 0o777) == ([path], 0o600)


def test_a_file_that_is_there_is_not_made_again(path: Path) -> None:
    before = path.read_text()
    KeyFile(path).create()
    assert path.read_text() == before


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o601])
def test_a_file_that_others_may_read_is_refused(path: Path, mode: int) -> None:
    path.chmod(mode)
    with pytest.raises(KeyFileError, match=f"chmod 600 {path}"):
        KeyFile(path).ring("agent")


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="rts-agents keys create"):
        KeyFile(tmp_path / "keys.json").ring("agent")


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"agent": {"current": "a", "keys": {"a": "b"}}}', '{"agent": 1}'])
def test_a_file_of_something_else_is_refused(path: Path, content: str) -> None:
    path.write_text(content)
    with pytest.raises(KeyFileError, match="is not a key file"):
        KeyFile(path).ring("agent")


def test_rotating_keeps_the_old_key(path: Path) -> None:
    before = KeyFile(path).ring("agent")
    after = rotate(path)
    assert after.current != before.current
    assert after.keys[before.current] == before.keys[before.current]
    assert json.loads(path.read_text())["agent"] == {"current": after.current, "keys": after.keys}


def test_the_current_key_cant_be_retired(path: Path) -> None:
    ring = KeyFile(path).ring("agent")
    with pytest.raises(KeyFileError, match="rotate first"):
        ring.retire(ring.current)
    assert ring.current in ring.keys


def test_retiring_an_unknown_key_says_which_there_are(path: Path) -> None:
    ring = KeyFile(path).ring("agent")
    with pytest.raises(KeyFileError, match=f"no key nonsense; there are: {ring.current}"):
        ring.retire("nonsense")


def test_a_running_server_notices_a_change(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    running = KeyFile(path)
    first, generation = running.ring("agent").current, running.generation
    second = rotate(path).current
    assert running.ring("agent").current == first  # not looked again yet
    monkeypatch.setattr(keys_module, "CHECK_SECONDS", 0.0)
    assert running.ring("agent").current == second
    assert running.generation == generation + 1


def test_a_running_server_notices_a_change_within_its_second(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys_module, "CHECK_SECONDS", 0.05)
    running = KeyFile(path)
    running.ring("agent")
    second = rotate(path).current
    time.sleep(0.06)
    assert running.ring("agent").current == second


def test_an_unchanged_file_is_not_a_change(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys_module, "CHECK_SECONDS", 0.0)
    running = KeyFile(path)
    rings = [running.ring("agent") for _ in range(3)]
    assert running.generation == 1
    assert rings[0] is rings[2]
