"""Signatures of webhooks as in Standard Webhooks: `webhook-id`, `webhook-timestamp`, `webhook-signature`.

The secret of a business is derived from the operator's (RTS_WEBHOOK_SECRET), so that no table holds a secret and a
business that has its own can't sign for another. `rts-agents webhook-secret` prints it.
"""

import base64
import hashlib
import hmac
from uuid import UUID

PREFIX = "whsec_"


def derive_secret(operators_secret: bytes, business_id: UUID | None) -> bytes:
    """Return the 32 secret bytes of a business; None: of rules for all businesses, whose messages go to the MSP."""
    owner = "msp" if business_id is None else str(business_id)
    return hmac.digest(operators_secret, f"rts-agents webhook {owner}".encode(), hashlib.sha256)


def as_text(secret: bytes) -> str:
    """Return a secret as libraries of Standard Webhooks take it: `whsec_` and Base64."""
    return PREFIX + base64.b64encode(secret).decode()


def standard_headers(secret: bytes, message_id: str, time: int, body: bytes) -> dict[str, str]:
    """Return the three headers of a message that is sent at `time` (Unix seconds)."""
    digest = hmac.digest(secret, f"{message_id}.{time}.".encode() + body, hashlib.sha256)
    return {
        "webhook-id": message_id, "webhook-timestamp": str(time),
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }  # fmt: skip


def plain_signature(secret: bytes, time: int, body: bytes) -> str:
    """Return the value of `RTS-Signature`, for receivers from before Standard Webhooks."""
    digest = hmac.new(secret, f"{time}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={time},v1={digest}"
