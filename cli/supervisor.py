"""The parent of several server processes: uvicorn's supervisor, made to drain.

uvicorn's supervisor binds the port, replaces a child that dies or does not answer, and at SIGHUP replaces all one after
the other: the new one serves before the old one gets SIGTERM. This class also drains, handles SIGTERM during a restart,
and limits the wait for its children.
"""

import logging
import signal
import threading
import time
from contextlib import suppress
from queue import Empty, SimpleQueue
from socket import socket

import uvicorn
from uvicorn.supervisors import Multiprocess

from health.slots import Siblings

log = logging.getLogger(__name__)

GRACE_SECONDS = 30  # for the requests of a process that is ending


class Supervisor(Multiprocess):
    """Watches the processes of one port."""

    def __init__(self, config: uvicorn.Config, sockets: list[socket], siblings: Siblings, drain_seconds: float) -> None:
        super().__init__(config, sockets)
        self._siblings = siblings
        self._drain_seconds = drain_seconds
        self._asked: SimpleQueue[int] = SimpleQueue()  # its put may be called in a signal handler
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda number, _: self._asked.put(number))
        threading.Thread(target=self._end_when_asked, daemon=True, name="end").start()

    def _end_when_asked(self) -> None:
        self._asked.get()
        self._siblings.drain()
        with suppress(Empty):  # the second signal ends at once
            self._asked.get(timeout=self._drain_seconds)
        self.should_exit.set()

    def keep_subprocess_alive(self) -> None:
        """Replace dead processes, unless all are about to end."""
        if not self._siblings.draining:
            super().keep_subprocess_alive()

    def terminate_all(self) -> None:
        """Signal the processes to end; once all have closed the port, new connections are refused at once."""
        for bound in self.sockets:
            bound.close()
        super().terminate_all()

    def join_all(self) -> None:
        """Wait for the children as long as their requests may take, then kill."""
        deadline = time.monotonic() + GRACE_SECONDS + 5
        for process in self.processes:
            process.process.join(max(0.0, deadline - time.monotonic()))
            if process.process.is_alive():
                log.error("process %s did not end in time: killed", process.pid)
                process.process.kill()
                process.process.join()
