"""Checks that a text is an e-mail address that is safe in a header and in an SMTP envelope."""

import re

MAX_ADDRESS = 254  # RFC 5321, section 4.5.3.1.3, without the angle brackets

_ADDRESS = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*@"
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])"
)


def is_mail_address(text: str) -> bool:
    """Return whether `text` is an ASCII address that means the same in a header and in the envelope.

    An encoded word (RFC 2047, `=?utf-8?q?…?=`) is refused: mail software would decode it to another address.
    """
    local, _, _ = text.partition("@")
    return len(text) <= MAX_ADDRESS and len(local) <= 64 and "=?" not in text and _ADDRESS.fullmatch(text) is not None
