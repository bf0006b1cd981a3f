"""Runs the server in this process, or as several processes under a supervisor.

All processes accept from one queue of the port, so a process that ends or is killed loses no waiting connection. With
SO_REUSEPORT each would have its own queue, which would be lost with it.
"""

import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import uvicorn
from uvicorn.config import STARTUP_FAILURE

from api.app import Application
from api.live.socketio import PING_SECONDS
from api.live.sockets import MAX_BYTES
from api.server.bounded import BoundedProtocol
from api.server.bounded_socket import BoundedWebSocket
from api.server.direct import DirectProtocol
from cli.settings import log_to_stderr, settings_with_database
from cli.supervisor import GRACE_SECONDS, Supervisor
from core.garbage import tune_garbage_collector
from core.settings import Settings
from health.process import ThisProcess
from health.slots import Siblings

ANSWER_SECONDS = 60  # a process that does not answer the supervisor within this is replaced; also its time to start


def serve_alone(application: Application, settings: Settings, host: str, port: int) -> None:
    """Serve in this process until a signal; ends it with uvicorn's status if the port cannot be bound."""
    tune_garbage_collector()
    BoundedProtocol.head_seconds = settings.head_seconds
    server = DrainingServer(uvicorn.Config(application, **options(settings, host, port)), application, settings)
    with suppress(KeyboardInterrupt):
        server.run()
    if not server.started:
        sys.exit(STARTUP_FAILURE)


def serve_with_siblings(settings: Settings, host: str, port: int) -> None:
    """Serve by `settings.workers` processes, with this one as their supervisor, until a signal."""
    with tempfile.TemporaryDirectory(prefix="rts-agents-") as directory:
        siblings = Siblings(Path(directory))
        make = partial(make_application, siblings, settings.workers)
        config = uvicorn.Config(
            make, factory=True, workers=settings.workers, timeout_worker_healthcheck=ANSWER_SECONDS,
            **options(settings, host, port),
        )  # fmt: skip
        supervisor = Supervisor(config, [config.bind_socket()], siblings, settings.drain_seconds)
        supervisor.run()
    if any(process.exitcode == STARTUP_FAILURE for process in supervisor.processes):
        sys.exit(STARTUP_FAILURE)


def options(settings: Settings, host: str, port: int) -> dict[str, Any]:
    """Return uvicorn's options for one or several processes."""
    return {
        "host": host, "port": port, "loop": "uvloop", "http": DirectProtocol, "access_log": False,
        "server_header": False,
        "ws": BoundedWebSocket, "ws_max_size": MAX_BYTES, "ws_ping_interval": PING_SECONDS,
        "ws_ping_timeout": PING_SECONDS, "proxy_headers": bool(settings.trusted_proxies),
        "forwarded_allow_ips": settings.trusted_proxies, "log_config": None,
        "timeout_graceful_shutdown": GRACE_SECONDS, "lifespan": "on",
        "timeout_keep_alive": settings.keep_alive_seconds,
    }  # fmt: skip


def make_application(siblings: Siblings, workers: int) -> Application:
    """Return the application of one of several processes; called in that process, which reads its own settings."""
    log_to_stderr()
    threading.Thread(target=end_with_supervisor, args=(siblings,), daemon=True, name="supervisor watch").start()
    settings = settings_with_database().model_copy(update={"workers": workers})
    tune_garbage_collector()
    BoundedProtocol.head_seconds = settings.head_seconds
    return Application(settings, process=ThisProcess(siblings))


def end_with_supervisor(siblings: Siblings) -> None:
    """Wait for any end of the supervisor; then end this process in order, and remove the supervisor's slot files."""
    supervisor = multiprocessing.parent_process()
    if supervisor:
        supervisor.join()
        os.kill(os.getpid(), signal.SIGTERM)
        shutil.rmtree(siblings.directory, ignore_errors=True)


class DrainingServer(uvicorn.Server):
    """A server that drains: after SIGTERM readiness returns 503 for a while before it stops."""

    def __init__(self, config: uvicorn.Config, application: Application, settings: Settings) -> None:
        super().__init__(config)
        self._process = application.process
        self._seconds = settings.drain_seconds
        self._ending: tuple[int, float] | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to drain; the second signal ends at once."""
        self._process.drain()
        if self._ending or not self._seconds:
            super().handle_exit(sig, frame)
        else:
            self._ending = sig, time.monotonic() + self._seconds

    async def on_tick(self, counter: int) -> bool:
        """Stop when the drain period has passed; uvicorn calls this ten times a second."""
        if self._ending and time.monotonic() >= self._ending[1] and not self.should_exit:
            super().handle_exit(self._ending[0], None)
        return await super().on_tick(counter)
