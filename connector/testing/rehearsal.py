"""A whole connector against the simulators: a real daemon process, fed over real HTTP. For the demo and for tests."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Protocol
from urllib.parse import urlsplit

from connector.clock import Clock
from connector.errors import ConnectorError
from connector.simulator.suite import INHOUSE_SECRET, Simulators
from connector.simulator.typeform import SECRET, sign
from connector.store.database import Database
from connector.store.keyring import KeyRing
from connector.testing.example import for_crm, for_helpdesk
from connector.wiring.opening import load_config, open_store
from connector.wiring.status import Status, read_status

START_SECONDS = 60.0


class Vendors(Protocol):
    """Who plays the vendors, in this process or another; `crm` is the one in use."""

    @property
    def crm(self) -> str:
        """`salesforce` or `hubspot`."""
        ...

    def environment(self) -> Mapping[str, str]:
        """What leads the example configuration to them."""
        ...


class Process(Protocol):
    """A daemon's process, as `subprocess.Popen` shows it."""

    pid: int

    @property
    def returncode(self) -> int | None:
        """The exit code, once somebody has seen it."""
        ...

    def poll(self) -> int | None:
        """The exit code, once there is one."""
        ...

    def wait(self, timeout: float | None = None) -> int:
        """The exit code. Raises `subprocess.TimeoutExpired` when there is none after so many seconds."""
        ...

    def send_signal(self, sig: int) -> None:
        """A signal, as long as it lives."""
        ...


class Rehearsal:
    """One folder with the example configuration, one daemon at a time.

    Args:
        folder: where configuration, store and log go; made when missing.
        example: where `config.example.yaml` and `mappings/` are.
        simulators: running ones.
        clock: for waiting.
        port: where the daemon listens; 0 takes a free one.
        overrides: more environment for the daemon, as `CONNECTOR__…`.
        rewrite: changes the text of the configuration before it is written.
    """

    def __init__(
        self,
        folder: Path,
        example: Path,
        simulators: Vendors,
        clock: Clock,
        *,
        port: int = 0,
        overrides: Mapping[str, str] | None = None,
        rewrite: Callable[[str], str] = str,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.config = folder / "connector.yaml"
        self.log = folder / "daemon.log"
        self.port = port or _free_port()
        self._clock = clock
        self._process: Process | None = None
        shutil.copytree(example / "mappings", folder / "mappings", dirs_exist_ok=True)
        shipped = (example / "config.example.yaml").read_text()
        chosen = for_crm(shipped, simulators.crm)
        if isinstance(simulators, Simulators) and simulators.other_desk is not None:
            chosen = for_helpdesk(chosen, simulators.desk.kind, simulators.desk.connection)
        self.config.write_text(rewrite(chosen))
        self.environ = {
            **os.environ,
            **simulators.environment(),
            "CONNECTOR_KEY": KeyRing.generate(),
            "CONNECTOR__MODE": "live",
            "CONNECTOR__LISTEN": f"127.0.0.1:{self.port}",
            **(overrides or {}),
        }
        self._db: Database | None = None

    @property
    def url(self) -> str:
        """Where the daemon listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The daemon's process."""
        assert self._process is not None, "the daemon does not run"
        return self._process.pid

    @property
    def db(self) -> Database:
        """The daemon's store, for looking into."""
        if self._db is None:
            self._db = open_store(load_config(str(self.config), self.environ).config, self._clock)
        return self._db

    def start(self, arguments: Sequence[str] = ()) -> None:
        """Start the daemon and wait until it is ready.

        Raises ConnectorError when it ends or is not ready in time; it runs no more then.
        """
        self.launch(arguments)
        with ExitStack() as otherwise:
            otherwise.callback(self.stop, kill=True)
            self.wait_until_ready()
            otherwise.pop_all()

    def launch(self, arguments: Sequence[str] = ()) -> None:
        """Start the daemon and do not wait for it."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603  our own command line
                [sys.executable, "-m", "connector", "run", "--config", str(self.config), *arguments],
                cwd=self.folder,
                env=self.environ,
                stdout=log,
                stderr=log,
            )

    def wait_until_ready(self) -> None:
        """Wait until the daemon that was launched is ready. Raises ConnectorError when it ends or is not in time."""
        assert self._process is not None, "the daemon does not run"
        deadline = self._clock.monotonic() + START_SECONDS
        while self._get("/readyz") != 200:
            if self._process.poll() is not None:
                raise ConnectorError(f"the daemon ended with exit code {self._process.returncode}; see {self.log}")
            if self._clock.monotonic() > deadline:
                raise ConnectorError(f"the daemon is not ready after {START_SECONDS:.0f} s; see {self.log}")
            self.pause(0.05)

    def stop(self, *, kill: bool = False) -> int:
        """End the daemon, politely or not, and return its exit code."""
        if self._process is None:
            return 0
        self._process.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
        code = self._process.wait(60)
        self._process = None
        return code

    def hang_up(self) -> None:
        """Send SIGHUP, which makes the daemon read its configuration again."""
        self.signal(signal.SIGHUP)

    def signal(self, number: int) -> None:
        """Send the daemon a signal."""
        assert self._process is not None, "the daemon does not run"
        self._process.send_signal(number)

    def metric(self, name: str) -> float | None:
        """A metric without labels, as `/metrics` has it now."""
        place = urlsplit(self.url)
        connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=30)
        try:
            connection.request("GET", "/metrics")
            lines = connection.getresponse().read().decode().splitlines()
        finally:
            connection.close()
        found = (line.split()[1] for line in lines if line.startswith(f"{name} "))
        return next((float(value) for value in found), None)

    def deliver(self, hook: str, body: bytes, signature: str = "good") -> int:
        """POST one delivery as its sender would; returns the HTTP status, 0 without an answer.

        `signature` is `good`, `forged` or `none`.
        """
        secret = {"good": (SECRET, INHOUSE_SECRET), "forged": ("wrong", "wrong")}.get(signature)
        headers = {"Content-Type": "application/json"}
        if secret and hook == "inhouse":
            headers["X-Signature"] = "sha256=" + hmac.new(secret[1].encode(), body, hashlib.sha256).hexdigest()
        elif secret:
            headers["Typeform-Signature"] = sign(secret[0], body)
        return self._request("POST", f"/hooks/{hook}", body, headers)

    def status(self) -> Status:
        """Every count of the store."""
        return read_status(self.db, "live")

    def settle(self, seconds: float = 60.0) -> Status:
        """Wait until nothing is under way. Raises ConnectorError when that takes longer than `seconds`."""
        deadline = self._clock.monotonic() + seconds
        while (now := self.status()).waiting:
            if self._clock.monotonic() > deadline:
                raise ConnectorError(f"not settled after {seconds:.0f} s: {now}")
            self.pause(0.1)
        return now

    def pause(self, seconds: float) -> None:
        """Let some time pass."""
        self._clock.wait(threading.Event(), seconds)

    def __enter__(self) -> Rehearsal:
        self.start()
        return self

    def close(self) -> None:
        """Let go of the store."""
        if self._db is not None:
            self._db.close()
            self._db = None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()
        self.close()

    def _get(self, path: str) -> int:
        return self._request("GET", path, None, {})

    def _request(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> int:
        place = urlsplit(self.url)
        connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=30)
        try:
            connection.request(method, path, body, dict(headers))
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):
            return 0
        finally:
            connection.close()
        return answer.status


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
