"""The quick way says yes only where the library says yes, and to every token that we issue."""

import base64
import json
import string
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import jwt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from auth.keys import KeyFile
from auth.quick_tokens import verify_plain
from auth.tokens import AGENT_AUDIENCE, Tokens, read, sign
from core.clock import utc_now

TOKEN_LETTERS = string.ascii_letters + string.digits + "-_.="
each_example = settings(suppress_health_check=list(HealthCheck), max_examples=200)


@pytest.fixture
def keys(tmp_path: Path) -> KeyFile:
    KeyFile(tmp_path / "keys.json").create()
    return KeyFile(tmp_path / "keys.json")


def issued(keys: KeyFile) -> str:
    return Tokens(keys).issue_agent(uuid4(), utc_now())


def test_a_token_that_we_issue_is_known_at_once(keys: KeyFile) -> None:
    agent_id = uuid4()
    assert verify_plain(keys.ring("agent"), Tokens(keys).issue_agent(agent_id, utc_now())) == agent_id


@given(at=st.integers(0, 400), letter=st.sampled_from(TOKEN_LETTERS), drop=st.integers(0, 3))
@each_example
def test_a_changed_token_is_only_taken_where_the_library_takes_it(
    keys: KeyFile, at: int, letter: str, drop: int
) -> None:
    token = issued(keys)
    at %= len(token)
    changed = token[:at] + letter + token[at + drop :]
    quick = verify_plain(keys.ring("agent"), changed)
    if quick:
        claims = read(keys.ring("agent"), changed, required=("sub",), audience=AGENT_AUDIENCE)
        assert claims["sub"] == str(quick)


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "rts-portal"}, {"sub": 7}, {"sub": "nobody"}, {"exp": 1}, {"nbf": 99999999999}, {"iat": "now"},
        {"iat": 99999999999}, {"aud": ["rts-agent"]}, {"more": 1},
    ],
    ids=str,
)  # fmt: skip
def test_unusual_claims_are_for_the_library(keys: KeyFile, claims: dict[str, Any]) -> None:
    usual = {"sub": str(uuid4()), "aud": AGENT_AUDIENCE, "iat": utc_now(), "jti": "x"}
    assert verify_plain(keys.ring("agent"), sign(keys.ring("agent"), usual | claims)) is None


def test_another_ring_another_key_and_another_algorithm_are_refused(keys: KeyFile, tmp_path: Path) -> None:
    agent, platform = keys.ring("agent"), keys.ring("platform")
    claims = {"sub": str(uuid4()), "aud": AGENT_AUDIENCE, "iat": utc_now() - timedelta(seconds=9), "jti": "x"}
    assert verify_plain(agent, sign(agent, claims)) is not None
    assert verify_plain(agent, sign(platform, claims)) is None
    foreign = jwt.encode(claims, "0" * 32, "HS256", headers={"kid": agent.current})
    assert verify_plain(agent, foreign) is None
    other = jwt.encode(claims, agent.keys[agent.current] * 2, "HS512", headers={"kid": agent.current})
    assert verify_plain(agent, other) is None


def test_an_unsigned_token_is_refused(keys: KeyFile) -> None:
    head, body, _ = issued(keys).split(".")
    none = base64.urlsafe_b64encode(json.dumps({"alg": "none", "typ": "JWT", "kid": "x"}).encode()).decode().rstrip("=")
    assert verify_plain(keys.ring("agent"), f"{none}.{body}.") is None
    assert verify_plain(keys.ring("agent"), f"{head}.{body}.") is None
    assert verify_plain(keys.ring("agent"), "") is None


@pytest.mark.parametrize("behind", [timedelta(seconds=20), timedelta(hours=1), timedelta(days=40)])
def test_a_host_whose_clock_is_behind_takes_an_agent_that_registered_elsewhere(
    keys: KeyFile, behind: timedelta
) -> None:
    agent_id = uuid4()
    elsewhere = utc_now() + behind
    token = Tokens(keys).issue_agent(agent_id, elsewhere)
    assert Tokens(keys).verify_agent(token).agent_id == agent_id
