"""Webhooks: JSON by POST, signed with the secret of the business, to addresses that the operator allows."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime

import httpx
import msgspec

from alerts.notify.channels import SEND_SECONDS, SendError
from alerts.notify.messages import Message
from alerts.notify.signatures import derive_secret, plain_signature, standard_headers
from alerts.notify.ssrf import InternalAddressError, LookUp, Network, addresses_to_use, look_up

MAX_ADDRESSES = 3  # of a host, tried one after the other


class Webhook:
    """POSTs the content of a message to a public address, or to one in the internal networks of `allowed`."""

    def __init__(
        self, secret: str, clock: Callable[[], datetime], allowed: Sequence[Network] = (), look_up: LookUp = look_up
    ) -> None:
        self._secret = secret.encode()
        self._clock = clock
        self._allowed = allowed
        self._look_up = look_up

    async def send(self, recipient: str, message: Message) -> None:
        """Send within SEND_SECONDS; anything but a 2xx is a failure. Redirects are not followed."""
        body = msgspec.json.encode(message.content)
        try:
            async with asyncio.timeout(SEND_SECONDS):
                status = await self._post(httpx.URL(recipient), body, self._headers(message, body))
        except TimeoutError as error:
            raise SendError(f"no answer from the webhook in {SEND_SECONDS:g} s") from error
        except InternalAddressError as error:
            raise SendError(
                f"the webhook resolves to {error}, an internal address that is not in RTS_WEBHOOK_NETWORKS"
            ) from error
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            raise SendError(f"no answer from the webhook: {error!r}") from error
        if not 200 <= status < 300:
            raise SendError(f"the webhook answered {status}")

    def _headers(self, message: Message, body: bytes) -> dict[str, str]:
        headers = {"Content-Type": "application/json", "User-Agent": "rts-agents", "Accept-Encoding": "identity"}
        if not self._secret:
            return headers
        now = int(self._clock().timestamp())
        signed = standard_headers(derive_secret(self._secret, message.owner), message.id, now, body)
        return headers | signed | {"RTS-Signature": plain_signature(self._secret, now, body)}

    async def _post(self, url: httpx.URL, body: bytes, headers: dict[str, str]) -> int:
        """POST to the host's first address that accepts a connection; return the status without reading the body."""
        host, port = url.raw_host.decode("ascii"), url.port or (443 if url.scheme == "https" else 80)
        addresses = await addresses_to_use(self._look_up, host, port, self._allowed)
        named = headers | {"Host": url.netloc.decode("ascii")}
        # Its own transport: a proxy from the environment would resolve the name again.
        transport = httpx.AsyncHTTPTransport()
        async with httpx.AsyncClient(timeout=SEND_SECONDS, transport=transport) as client:
            for address in addresses[:MAX_ADDRESSES]:
                pinned_url = url.copy_with(host=str(address))
                try:
                    async with client.stream(
                        "POST", pinned_url, content=body, headers=named, extensions={"sni_hostname": host}
                    ) as answer:
                        return answer.status_code
                except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                    refused = error
        raise refused
