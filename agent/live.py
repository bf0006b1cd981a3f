"""The agent's end of the live channel: a thread that holds a WebSocket and hands commands to the agent's loop.

It only saves time: without it, the answer to the next heartbeat announces waiting commands. A broken connection is
opened again after growing pauses of at most five minutes.
"""

import json
import logging
import queue
import random
import threading
from typing import Any

from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

log = logging.getLogger(__name__)

FIRST_RETRY_SECONDS, LAST_RETRY_SECONDS = 2.0, 300.0
CHECK_SECONDS = 1.0  # how soon the thread notices that the agent stops


class LiveConnection:
    """Holds the WebSocket while the agent runs."""

    def __init__(self, url: str, token: str, commands: "queue.Queue[dict[str, Any]]", stop: threading.Event) -> None:
        self.token = token  # a new token is used from the next connection on
        self._url = url
        self._commands = commands
        self._stop = stop
        self._retry = FIRST_RETRY_SECONDS
        self._thread = threading.Thread(target=self._hold, name="live line", daemon=True)

    def start(self) -> None:
        """Begin; the thread ends with `stop`."""
        self._thread.start()

    def _hold(self) -> None:
        self._retry = FIRST_RETRY_SECONDS
        while not self._stop.is_set():
            try:
                self._listen()
            except (OSError, WebSocketException, ValueError) as error:
                log.debug("the WebSocket is closed: %r", error)
            spread = random.uniform(0.5, 1.0)  # noqa: S311  so that not all come back at once
            self._stop.wait(self._retry * spread)
            self._retry = min(LAST_RETRY_SECONDS, self._retry * 2)

    def _listen(self) -> None:
        headers = {"Authorization": f"Bearer {self.token}"}
        with connect(self._url, additional_headers=headers, open_timeout=10, close_timeout=2) as line:
            log.info("the WebSocket is open")
            self._retry = FIRST_RETRY_SECONDS
            while not self._stop.is_set():
                try:
                    message = json.loads(line.recv(timeout=CHECK_SECONDS))
                except TimeoutError:
                    continue
                if isinstance(message, dict) and message.get("type") == "command":
                    self._commands.put(message)
