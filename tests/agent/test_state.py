"""The agent's state file: damaged, of another version, or in a place that cannot be written."""

import json
import stat
from pathlib import Path

import pytest

from agent.client import Identity, RefusedError
from agent.state import load_identity, read_identity, save_identity

IDENTITY = Identity("an-agent", "a-token", 300.0, 60.0, "ws://127.0.0.1:9/ws")
NO_SERVER = "http://127.0.0.1:9"


@pytest.fixture
def state(tmp_path: Path) -> Path:
    state = tmp_path / "agent.json"
    save_identity(IDENTITY, state)
    return state


def test_an_identity_comes_back_and_only_its_owner_reads_it(state: Path) -> None:
    assert load_identity(NO_SERVER, None, state) == IDENTITY
    assert stat.S_IMODE(state.stat().st_mode) == 0o600


def test_a_setting_of_a_later_version_is_left_out(state: Path) -> None:
    state.write_text(json.dumps(json.loads(state.read_text()) | {"colour": "red"}))
    assert load_identity(NO_SERVER, None, state) == IDENTITY


@pytest.mark.parametrize(
    "damage",
    ["", "{", "[]", "null", '"text"', "{}", '{"agent_id": null, "agent_token": "t"}', "\xff", "\0" * 400,
     '{"agent_id": "a", "agent_token": "t", "metrics_interval_seconds": 0, "heartbeat_interval_seconds": 1}',
     '{"agent_id": "a", "agent_token": "t", "metrics_interval_seconds": "x", "heartbeat_interval_seconds": 1}'],
)  # fmt: skip
def test_a_damaged_state_says_what_to_do(state: Path, damage: str) -> None:
    state.write_text(damage, encoding="latin-1")
    with pytest.raises(RefusedError, match=r"cannot be read .* register this device again: pass --token"):
        load_identity(NO_SERVER, None, state)


def test_a_token_is_not_spent_where_its_state_cannot_be_kept() -> None:
    # There is no server at this address: whoever calls it first gets another reason.
    with pytest.raises(RefusedError, match=r"cannot be written .* the token is not used yet"):
        load_identity(NO_SERVER, "AGT-7KQ2-M9XD-P4TR", Path("/proc/nothing/agent.json"))


def test_a_state_that_cannot_be_kept_leaves_the_old_one(state: Path) -> None:
    state.with_suffix(".new").mkdir()
    with pytest.raises(OSError, match="directory"):
        save_identity(Identity("another", "token", 1, 1), state)
    assert read_identity(state) == IDENTITY
