"""Connections that send a part and then stay silent: half a head, or an incomplete body."""

import asyncio

from loadtest.attacks.target import AttackTarget
from loadtest.plan import Member

HALF_HEADS = 100
STALLED_BODIES = 32
STALLED_BYTES = 1024 * 1024  # announced; the last of them never comes
PAUSE_SECONDS = 0.2  # before the next connection


async def hold_heads(target: AttackTarget) -> None:
    """Send half a head on many connections, again when the server has closed one."""
    head = b"POST /api/agents/x/metrics HTTP/1.1\r\nHost: x\r\nX-Half: "
    await asyncio.gather(*(hold(target, "half head", head) for _ in range(HALF_HEADS)))


async def hold_bodies(target: AttackTarget) -> None:
    """Send nearly all of a body on many connections, with good tokens."""
    members = target.members
    heads = [body_without_its_end(members[number % len(members)]) for number in range(STALLED_BODIES)]
    await asyncio.gather(*(hold(target, "stalled body", head) for head in heads))


def body_without_its_end(member: Member) -> bytes:
    """Return an upload whose last byte is missing."""
    lines = [
        f"POST /api/agents/{member.agent_id}/metrics HTTP/1.1", "Host: x", f"Authorization: Bearer {member.token}",
        f"Content-Length: {STALLED_BYTES}", "", "",
    ]  # fmt: skip
    return "\r\n".join(lines).encode() + b" " * (STALLED_BYTES - 1)


async def hold(target: AttackTarget, attack: str, sent: bytes) -> None:
    """Send this on a new connection, wait until the server ends it, and begin again."""
    while True:
        try:
            reader, writer = await asyncio.open_connection(*target.address)
            try:
                writer.write(sent)
                answer = await reader.read(1024)
            finally:
                writer.close()
            target.note(attack, answer[9:12].decode("ascii", "replace") or "closed")
        except OSError:
            target.note(attack, "broken")
        await asyncio.sleep(PAUSE_SECONDS)
