"""Webhooks are signed after Standard Webhooks, with a secret for each business."""

import base64
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.notify.signatures import as_text, derive_secret, standard_headers

# the example that the specification's own documentation publishes
SECRET = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
MESSAGE, TIME, BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_published_example_gets_the_published_signature() -> None:
    assert standard_headers(SECRET, MESSAGE, TIME, BODY) == {
        "webhook-id": MESSAGE, "webhook-timestamp": str(TIME), "webhook-signature": SIGNATURE,
    }  # fmt: skip


@pytest.mark.parametrize(("message", "time", "body"), [("other", TIME, BODY), (MESSAGE, 1, BODY), (MESSAGE, TIME, b"")])
def test_a_changed_id_time_or_body_changes_the_signature(message: str, time: int, body: bytes) -> None:
    assert standard_headers(SECRET, message, time, body)["webhook-signature"] != SIGNATURE


@given(st.binary(min_size=1), st.sets(st.uuids(), min_size=2, max_size=5))
def test_businesses_and_the_msp_have_different_secrets(operators: bytes, businesses: set[UUID]) -> None:
    secrets = {derive_secret(operators, business) for business in (*businesses, None)}
    assert len(secrets) == len(businesses) + 1
    assert all(len(secret) == 32 for secret in secrets)


def test_a_secret_as_text_is_read_back_by_receivers() -> None:
    text = as_text(SECRET)
    assert text.startswith("whsec_")
    assert base64.b64decode(text.removeprefix("whsec_")) == SECRET
