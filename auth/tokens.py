"""Tokens: JWTs of agents (permanent, bound to one device) and of the platform (users, employees).

Both are signed with HS256 and carry the id of their key; each kind has its own ring, so neither passes for the other.
"""

import hashlib
import re
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

import jwt
from asyncpg.pgproto import pgproto

from auth.errors import InvalidTokenError
from auth.keys import RINGS, KeyFile, KeyRing
from auth.quick_tokens import verify_plain

ALGORITHM = "HS256"
AGENT_AUDIENCE = "rts-agent"
GATEWAY_AUDIENCE = "rts-gateway"
GATEWAY_PREFIX = "rtsgw_"  # shows the kind of a token before its signature is verified
# Letters and digits that can't be mistaken for one another when read aloud.
REGISTRATION_ALPHABET = "ABCDEFGHJKMNPQRSTVWXYZ23456789"
MAX_TOKEN_LENGTH = 4096
LEEWAY_SECONDS = 30  # clocks of several hosts differ
CACHED_TOKENS = 65_536
CACHED_PEOPLE = 4_096  # a dashboard asks again and again with one token


@dataclass(frozen=True, slots=True)
class Sender:
    """An agent or a gateway by its token, whose signature is valid. Only the database shows whether it is revoked."""

    agent_id: UUID  # of a gateway, the gateway's id
    token_hash: str
    is_gateway: bool = False


# The claims by which a token of the platform is for something other than a session; `tokenType` is `token_type`.
PURPOSE_CLAIMS = frozenset(
    {"action", "aud", "intent", "kind", "purpose", "scope", "tokenkind", "tokentype", "tokenuse", "typ", "type", "use"}
)
NO_SESSION = re.compile(r"refresh|reset|verif|mfa|2fa|otp|invit|confirm|unsubscribe|magic", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class PersonRules:
    """The requirements on the platform's tokens besides their signature.

    `required`: claim → the values of which it must have one. A token that is for something other than a
    session (`type: refresh`, `aud: password-reset`) is refused unless its claim is one of these.
    """

    longest: timedelta = timedelta(days=7)
    required: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def check(self, claims: Mapping[str, Any], now: float) -> None:
        """Raise InvalidTokenError; `now` in Unix seconds."""
        issued = claims.get("iat", now)
        if not isinstance(issued, int | float) or float(claims["exp"]) - issued > self.longest.total_seconds():
            raise InvalidTokenError("The lifetime of this token is longer than RTS_PERSON_TOKEN_HOURS.")
        for name, values in self.required.items():
            if not claim_values(claims, name) & set(values):
                raise InvalidTokenError(f"A token needs the claim {name} with a value of RTS_REQUIRED_CLAIMS.")
        for name in claims:
            is_purpose = name not in self.required and re.sub("[_-]", "", name).lower() in PURPOSE_CLAIMS
            if is_purpose and any(NO_SESSION.search(value) for value in claim_values(claims, name)):
                raise InvalidTokenError(f"This token is not for sessions: see its claim {name[:100]}.")


@dataclass(frozen=True, slots=True)
class Person:
    """A user of a customer (`business_id`) or an employee of the MSP (`employee_id`): one of the two."""

    subject: str
    expires_at: datetime  # UTC
    employee_id: UUID | None = None
    business_id: UUID | None = None
    user_id: UUID | None = None
    role: str | None = None

    @property
    def tenant(self) -> UUID | None:
        """The business that every query of this caller is bound to; None for employees, who see everything."""
        return self.business_id


def token_hash(token: str) -> str:
    """Return the SHA-256 of a token in hex: the only form in which one is stored."""
    return hashlib.sha256(token.encode()).hexdigest()


def new_registration_token() -> str:
    """Return a random `AGT-xxxx-xxxx-xxxx` (59 bits; it lives for hours and works once)."""
    groups = ("".join(secrets.choice(REGISTRATION_ALPHABET) for _ in range(4)) for _ in range(3))
    return "AGT-" + "-".join(groups)


class Tokens:
    """Issues and verifies tokens with the keys of one file."""

    def __init__(self, keys: KeyFile, rules: PersonRules | None = None) -> None:
        self._keys = keys
        self._rules = rules or PersonRules()
        self._verified = lru_cache(CACHED_TOKENS)(self._verify_agent)
        self._verified_gateway = lru_cache(CACHED_PEOPLE)(self._verify_gateway)
        self._verified_person = lru_cache(CACHED_PEOPLE)(self._verify_person)

    def check(self) -> None:
        """Raise KeyFileError unless both rings can be read: called at start, so that a fault shows at once."""
        for name in RINGS:
            self._keys.ring(name)

    def issue_agent(self, agent_id: UUID, now: datetime) -> str:
        """Return a permanent token for one device; `jti` makes each one different."""
        claims = {"sub": str(agent_id), "aud": AGENT_AUDIENCE, "iat": now, "jti": secrets.token_hex(8)}
        return sign(self._keys.ring("agent"), claims)

    def verify_agent(self, token: str) -> Sender:
        """Return the agent of this token; raises InvalidTokenError. Cached until the keys change."""
        self._keys.ring("agent")
        if not token.isascii():
            raise InvalidTokenError
        return self._verified(token, self._keys.generation)

    def issue_gateway(self, gateway_id: UUID, now: datetime) -> str:
        """Return a permanent token for one gateway; `jti` makes each one different."""
        claims = {"sub": str(gateway_id), "aud": GATEWAY_AUDIENCE, "iat": now, "jti": secrets.token_hex(8)}
        return GATEWAY_PREFIX + sign(self._keys.ring("agent"), claims)

    def verify_gateway(self, token: str) -> Sender:
        """Return the gateway of this token; raises InvalidTokenError. Cached until the keys change."""
        self._keys.ring("agent")
        if not token.isascii() or not token.startswith(GATEWAY_PREFIX):
            raise InvalidTokenError
        return self._verified_gateway(token, self._keys.generation)

    def verify_sender(self, token: str) -> Sender:
        """Return the agent or gateway of this token; raises InvalidTokenError."""
        return (self.verify_gateway if token.startswith(GATEWAY_PREFIX) else self.verify_agent)(token)

    def issue_person(self, claims: Mapping[str, Any], now: datetime, lifetime: timedelta) -> str:
        """Return a platform token, as the platform itself would issue it; for development and the demo."""
        return sign(self._keys.ring("platform"), {**claims, "iat": now, "exp": now + lifetime})

    def verify_person(self, token: str) -> Person:
        """Return the person of a platform token; raises InvalidTokenError. Cached until it expires or keys change."""
        self._keys.ring("platform")
        person = self._verified_person(token, self._keys.generation)
        if person.expires_at.timestamp() <= time.time() - LEEWAY_SECONDS:
            raise InvalidTokenError
        return person

    def _verify_person(self, token: str, _generation: int) -> Person:
        claims = read(self._keys.ring("platform", read_key_id(token)), token, required=("sub", "exp"), audience=None)
        self._rules.check(read_token_type(token) | claims, time.time())
        employee, business = uuid_claim(claims, "employee_id"), uuid_claim(claims, "business_id")
        if (employee is None) == (business is None):
            raise InvalidTokenError("A platform token carries either employee_id or business_id.")
        return Person(
            str(claims["sub"]), time_claim(claims, "exp"), employee, business, uuid_claim(claims, "user_id"),
            text_claim(claims, "role"),
        )  # fmt: skip

    def _verify_gateway(self, token: str, _generation: int) -> Sender:
        signed = token.removeprefix(GATEWAY_PREFIX)
        ring = self._keys.ring("agent", read_key_id(signed))
        gateway_id = uuid_claim(read(ring, signed, required=("sub",), audience=GATEWAY_AUDIENCE), "sub")
        assert gateway_id is not None
        return Sender(gateway_id, token_hash(token), is_gateway=True)

    def _verify_agent(self, token: str, _generation: int) -> Sender:
        agent_id = verify_plain(self._keys.ring("agent"), token) if len(token) <= MAX_TOKEN_LENGTH else None
        if not agent_id:
            ring = self._keys.ring("agent", read_key_id(token))
            agent_id = uuid_claim(read(ring, token, required=("sub",), audience=AGENT_AUDIENCE), "sub")
        assert agent_id is not None
        # An upload is counted and looked up by this id a dozen times, and the driver's UUID is hashed in C.
        return Sender(pgproto.UUID(agent_id.bytes), token_hash(token))


def sign(ring: KeyRing, claims: Mapping[str, Any]) -> str:
    """Sign with the ring's current key and name it in the header."""
    return jwt.encode(dict(claims), ring.keys[ring.current], ALGORITHM, headers={"kid": ring.current})


def read_token_type(token: str) -> dict[str, Any]:
    """Return the type in a token's header where it is not the usual one, as claims have it."""
    kind = jwt.get_unverified_header(token).get("typ")
    return {} if kind is None or str(kind).upper() == "JWT" else {"typ": kind}


def read_key_id(token: str) -> object:
    """Return the key id in a token's header; None when it cannot be read."""
    if len(token) > MAX_TOKEN_LENGTH or not token.isascii():
        return None
    try:
        return jwt.get_unverified_header(token).get("kid")
    except (jwt.PyJWTError, AttributeError, TypeError, ValueError, OverflowError):
        return None


def read(ring: KeyRing, token: str, required: tuple[str, ...], audience: str | None) -> dict[str, Any]:
    """Return the claims of a token signed by one of the ring's keys; raises InvalidTokenError."""
    if len(token) > MAX_TOKEN_LENGTH or not token.isascii():
        raise InvalidTokenError
    try:
        key = ring.keys[jwt.get_unverified_header(token)["kid"]]
        # The time of issue of an agent's token is not checked: the clock of the issuing host may be ahead of ours.
        options: Any = {
            "require": list(required), "verify_aud": audience is not None, "verify_iat": audience is None,
        }  # fmt: skip
        claims: dict[str, Any] = jwt.decode(token, key, [ALGORITHM], options, audience=audience, leeway=LEEWAY_SECONDS)
    except (jwt.PyJWTError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise InvalidTokenError from error
    return claims


def claim_values(claims: Mapping[str, Any], name: str) -> set[str]:
    """Return the values of a claim, which may be a list of them."""
    claim = claims.get(name)
    return {str(value) for value in (claim if isinstance(claim, list) else [claim]) if value is not None}


def uuid_claim(claims: Mapping[str, Any], name: str) -> UUID | None:
    """Return a claim as UUID, None when absent; raises InvalidTokenError."""
    value = claims.get(name)
    if value is None:
        return None
    try:
        return UUID(str(value))
    except ValueError as error:
        raise InvalidTokenError(f"The claim {name} must be a UUID.") from error


def time_claim(claims: Mapping[str, Any], name: str) -> datetime:
    """Return a claim of Unix seconds as a time in UTC; raises InvalidTokenError for milliseconds and the like."""
    try:
        return datetime.fromtimestamp(float(claims[name]), UTC)
    except (ValueError, TypeError, OverflowError, OSError) as error:
        raise InvalidTokenError(f"The claim {name} must be a time in Unix seconds.") from error


def text_claim(claims: Mapping[str, Any], name: str) -> str | None:
    """Return a claim as text, None when absent."""
    value = claims.get(name)
    return None if value is None else str(value)
