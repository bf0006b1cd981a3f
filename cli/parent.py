"""Ends a child process with its parent: when its standard input closes, it gets SIGTERM."""

import os
import signal
import threading

STDIN = 0


def exit_with_parent() -> None:
    """Watch standard input in the background; at its end, send this process SIGTERM."""
    threading.Thread(target=_watch, daemon=True, name="parent watch").start()


def _watch() -> None:
    while os.read(STDIN, 4096):  # not sys.stdin: its lock, held here, would break the interpreter's end
        pass
    os.kill(os.getpid(), signal.SIGTERM)
