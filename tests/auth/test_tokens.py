"""Tokens: who is let in, and every way in which a token can be wrong."""

import base64
import json
import re
import time
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import jwt
import pytest

from auth import keys as keys_module
from auth import tokens as tokens_module
from auth.errors import InvalidTokenError
from auth.keys import RINGS, KeyFile, Ring
from auth.tokens import AGENT_AUDIENCE, MAX_TOKEN_LENGTH, Tokens, new_registration_token, sign, token_hash
from core.clock import utc_now

HOUR = timedelta(hours=1)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(keys_module, "CHECK_SECONDS", 0.0)
    KeyFile(tmp_path / "keys.json").create()
    return tmp_path / "keys.json"


@pytest.fixture
def keys(path: Path) -> KeyFile:
    return KeyFile(path)


@pytest.fixture
def tokens(keys: KeyFile) -> Tokens:
    return Tokens(keys)


def change(path: Path, name: Ring, *, retire: str | None = None) -> None:
    """Rotate a ring, or retire a key of it, as another process does."""
    keys = KeyFile(path)
    rings = {each: keys.ring(each) for each in RINGS}
    if retire:
        rings[name].retire(retire)
    else:
        rings[name].rotate()
    keys.save(rings)


def signed(keys: KeyFile, name: Ring, **claims: Any) -> str:
    """A token signed as the ring would sign it, with any claims."""
    return sign(keys.ring(name), claims)


def person(**changes: Any) -> dict[str, Any]:
    claims = {"sub": "p1", "business_id": str(uuid4()), "exp": utc_now() + HOUR} | changes
    return {name: value for name, value in claims.items() if value is not None}


def test_an_agents_token_says_whose_it_is(tokens: Tokens) -> None:
    agent_id = uuid4()
    token = tokens.issue_agent(agent_id, utc_now())
    assert (tokens.verify_agent(token).agent_id, tokens.verify_agent(token).token_hash) == (agent_id, token_hash(token))
    assert "exp" not in jwt.decode(token, options={"verify_signature": False})


def test_two_tokens_of_one_device_at_one_moment_differ(tokens: Tokens) -> None:
    agent_id, now = uuid4(), utc_now()
    assert tokens.issue_agent(agent_id, now) != tokens.issue_agent(agent_id, now)


def test_employees_have_no_tenant_and_users_have_theirs(tokens: Tokens) -> None:
    employee, business, user = uuid4(), uuid4(), uuid4()
    token = tokens.issue_person({"sub": "e", "employee_id": str(employee), "role": "admin"}, utc_now(), HOUR)
    person = tokens.verify_person(token)
    assert (person.employee_id, person.tenant, person.role) == (employee, None, "admin")
    token = tokens.issue_person({"sub": "u", "business_id": str(business), "user_id": str(user)}, utc_now(), HOUR)
    person = tokens.verify_person(token)
    assert (person.employee_id, person.tenant, person.user_id) == (None, business, user)


def test_a_rotated_key_keeps_old_tokens_valid_until_it_is_retired(tokens: Tokens, path: Path) -> None:
    old = tokens.issue_agent(uuid4(), utc_now())
    change(path, "agent")
    new = tokens.issue_agent(uuid4(), utc_now())
    assert key_id(new) != key_id(old)
    assert tokens.verify_agent(old).token_hash == token_hash(old)
    change(path, "agent", retire=key_id(old))
    assert tokens.verify_agent(new).token_hash == token_hash(new)
    with pytest.raises(InvalidTokenError):
        tokens.verify_agent(old)


def test_another_process_takes_a_token_of_a_new_key_at_once(
    tokens: Tokens, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several processes share the file; one that looked a moment ago doesn't know the key yet."""
    monkeypatch.setattr(keys_module, "CHECK_SECONDS", 60.0)
    agent_id = uuid4()
    tokens.verify_agent(tokens.issue_agent(agent_id, utc_now()))
    change(path, "agent")
    time.sleep(2 * keys_module.UNKNOWN_KEY_CHECK_SECONDS)
    assert tokens.verify_agent(Tokens(KeyFile(path)).issue_agent(agent_id, utc_now())).agent_id == agent_id


def test_the_platforms_keys_rotate_by_themselves(tokens: Tokens, path: Path) -> None:
    agent, user = tokens.issue_agent(uuid4(), utc_now()), tokens.issue_person(person(), utc_now(), HOUR)
    change(path, "platform")
    tokens.verify_person(user)
    change(path, "platform", retire=key_id(user))
    tokens.verify_agent(agent)
    with pytest.raises(InvalidTokenError):
        tokens.verify_person(user)


def key_id(token: str) -> str:
    return str(jwt.get_unverified_header(token)["kid"])


def test_a_token_that_was_good_is_refused_when_its_time_is_over(
    tokens: Tokens, keys: KeyFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = signed(keys, "platform", **person(exp=utc_now() + HOUR))
    tokens.verify_person(token)
    monkeypatch.setattr(tokens_module, "LEEWAY_SECONDS", -2 * 3600)  # as two hours later
    with pytest.raises(InvalidTokenError):
        tokens.verify_person(token)


def test_an_agent_is_no_person_and_a_person_no_agent(tokens: Tokens) -> None:
    agent = tokens.issue_agent(uuid4(), utc_now())
    user = tokens.issue_person({"sub": str(uuid4()), "business_id": str(uuid4())}, utc_now(), HOUR)
    with pytest.raises(InvalidTokenError):
        tokens.verify_person(agent)
    with pytest.raises(InvalidTokenError):
        tokens.verify_agent(user)


def test_even_the_agents_key_makes_no_agent_of_a_token_for_others(tokens: Tokens, keys: KeyFile) -> None:
    for claims in ({"sub": str(uuid4())}, {"sub": str(uuid4()), "aud": "platform"}):
        with pytest.raises(InvalidTokenError):
            tokens.verify_agent(signed(keys, "agent", **claims))


@pytest.mark.parametrize(
    "claims",
    [
        person(exp=utc_now() - HOUR), person(exp=None), person(sub=None), person(business_id=None),
        person(employee_id=str(uuid4())), person(business_id="alice"), person(business_id=7),
        person(user_id="'; DROP TABLE users"), person(exp="soon"), person(nbf=utc_now() + HOUR), person(sub=7),
    ],
    ids=[
        "expired", "no exp", "no sub", "neither id", "both ids", "business no uuid", "business a number",
        "user no uuid", "exp no time", "not yet valid", "sub a number",
    ],
)  # fmt: skip
def test_a_person_whose_claims_are_wrong_is_refused(tokens: Tokens, keys: KeyFile, claims: dict[str, Any]) -> None:
    with pytest.raises(InvalidTokenError):
        tokens.verify_person(signed(keys, "platform", **claims))


@pytest.mark.parametrize("claims", [{}, {"sub": "device"}, {"sub": 7}], ids=["no sub", "sub no uuid", "sub a number"])
def test_an_agent_whose_claims_are_wrong_is_refused(tokens: Tokens, keys: KeyFile, claims: dict[str, Any]) -> None:
    with pytest.raises(InvalidTokenError):
        tokens.verify_agent(signed(keys, "agent", aud=AGENT_AUDIENCE, **claims))


def forged(keys: KeyFile, name: Ring, claims: dict[str, Any]) -> dict[str, str]:
    """Tokens with good claims whose signature or header is wrong, by what is wrong."""
    ring = keys.ring(name)
    key, other = ring.keys[ring.current], "k" * 64
    return {
        "alg none": jwt.encode(claims, None, "none", headers={"kid": ring.current}),
        "another algorithm": jwt.encode(claims, key, "HS512", headers={"kid": ring.current}),
        "wrong key": jwt.encode(claims, other, "HS256", headers={"kid": ring.current}),
        "unknown kid": jwt.encode(claims, key, "HS256", headers={"kid": "nonsense"}),
        "no kid": jwt.encode(claims, key, "HS256"),
        "signature cut": signed(keys, name, **claims).rpartition(".")[0] + ".",
        "too long": signed(keys, name, **claims | {"jti": "x" * MAX_TOKEN_LENGTH}),
    }


KINDS = (
    "alg none", "another algorithm", "wrong key", "unknown kid", "no kid", "signature cut", "too long",
)  # fmt: skip


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
@pytest.mark.parametrize("kind", KINDS)
def test_a_forged_token_is_refused(tokens: Tokens, keys: KeyFile, kind: str) -> None:
    with pytest.raises(InvalidTokenError):
        tokens.verify_agent(forged(keys, "agent", {"sub": str(uuid4()), "aud": AGENT_AUDIENCE})[kind])
    with pytest.raises(InvalidTokenError):
        tokens.verify_person(forged(keys, "platform", person())[kind])


@pytest.mark.parametrize("text", ["", ".", "..", "a.b.c", "Bearer x", "ü.ü.ü", "\0", "eyJhbGciOiJIUzI1NiJ9", "=" * 500])
def test_garbage_is_refused(tokens: Tokens, text: str) -> None:
    with pytest.raises(InvalidTokenError):
        tokens.verify_agent(text)
    with pytest.raises(InvalidTokenError):
        tokens.verify_person(text)


@pytest.mark.parametrize("kid", [["a"], {"a": 1}, 7, None])
def test_a_key_id_that_is_no_text_is_refused(tokens: Tokens, keys: KeyFile, kid: Any) -> None:
    header = base64.urlsafe_b64encode(json.dumps({"alg": "HS256", "kid": kid}).encode()).decode().rstrip("=")
    _, payload, signature = signed(keys, "agent", sub=str(uuid4()), aud=AGENT_AUDIENCE).split(".")
    with pytest.raises(InvalidTokenError):
        tokens.verify_agent(f"{header}.{payload}.{signature}")


def test_a_signed_token_names_its_key(keys: KeyFile) -> None:
    ring = keys.ring("agent")
    header = jwt.get_unverified_header(sign(ring, {"sub": "x"}))
    assert (header["kid"], header["alg"]) == (ring.current, "HS256")


def test_registration_tokens_can_be_read_aloud_and_differ() -> None:
    tokens = {new_registration_token() for _ in range(1000)}
    assert len(tokens) == 1000
    assert all(re.fullmatch(r"AGT(-[A-HJ-NP-Z2-9]{4}){3}", token) for token in tokens)


def test_the_stored_hash_does_not_contain_the_token() -> None:
    assert token_hash("AGT-7KQ2-M9XD-P4TR") == token_hash("AGT-7KQ2-M9XD-P4TR")
    assert re.fullmatch(r"[0-9a-f]{64}", token_hash("AGT-7KQ2-M9XD-P4TR"))


def test_a_person_token_whose_header_names_another_type_is_refused(keys: KeyFile) -> None:
    ring, claims = keys.ring("platform"), {"sub": "x", "employee_id": str(uuid4()), "exp": time.time() + 60}
    for kind, good in (("JWT", True), ("jwt", True), ("at+jwt", True), ("refresh+jwt", False)):
        token = jwt.encode(claims, ring.keys[ring.current], "HS256", headers={"kid": ring.current, "typ": kind})
        if good:
            assert Tokens(keys).verify_person(token).subject == "x"
        else:
            with pytest.raises(InvalidTokenError):
                Tokens(keys).verify_person(token)
