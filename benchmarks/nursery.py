"""Daemons that are forked from a process which has loaded everything a daemon needs: a life begins with work.

A start loads two thousand modules, which takes as long as many a life in the soak lasts. What is killed is a process of
its own all the same. How long a real start takes is another benchmark (`benchmarks.restart`).
"""

from __future__ import annotations

import gc
import importlib
import multiprocessing
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from time import monotonic, sleep

from connector.cli import main, run  # noqa: F401  loaded before a fork
from connector.domain.analysis.language import Languages
from connector.testing.rehearsal import Process, Rehearsal
from connector.wiring.opening import load_config

LOOK_EVERY = 0.01
OF_WORK = ("holidays.countries", "vaderSentiment.vaderSentiment")
"""What a daemon loads with its first answers."""
COMMENT = "A sentence that is long enough for its language to be told."


class Nursery:
    """The process that forks. It has no thread, or a fork would inherit locks that nobody lets go of."""

    def __init__(self) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._pipe, theirs = spawn.Pipe()
        self._process = spawn.Process(target=_bear, args=(theirs,), daemon=True)
        self._process.start()

    def bear(self, config: Path, environ: Mapping[str, str], log: Path, arguments: Sequence[str]) -> Process:
        """A daemon with this configuration and these arguments, which speaks to the log."""
        pid = self.ask(str(config), dict(environ), str(log), list(arguments))
        assert pid is not None, "a process has a number"
        return Child(self, pid)

    def ask(self, *order: object) -> int | None:
        """What `bear` says makes a daemon and tells its number; a number tells its exit code, None while it lives."""
        self._pipe.send(order)
        told: int | None = self._pipe.recv()
        return told

    def close(self) -> None:
        """End it."""
        self._pipe.close()
        self._process.join()


class Child:
    """A forked daemon, as `subprocess.Popen` would show it."""

    def __init__(self, nursery: Nursery, pid: int) -> None:
        self._nursery = nursery
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """The exit code, once there is one."""
        if self.returncode is None:
            self.returncode = self._nursery.ask(self.pid)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """The exit code. Raises TimeoutExpired when there is none after so many seconds."""
        deadline = monotonic() + (timeout or float("inf"))
        while (code := self.poll()) is None:
            if monotonic() > deadline:
                raise subprocess.TimeoutExpired("connector", timeout or 0)
            sleep(LOOK_EVERY)
        return code

    def send_signal(self, sig: int) -> None:
        """A signal, as long as it lives."""
        if self.poll() is None:
            os.kill(self.pid, sig)


class Nursed(Rehearsal):
    """A rehearsal whose daemons come from a nursery, which is set before the first one starts."""

    nursery: Nursery

    def launch(self, arguments: Sequence[str] = ()) -> None:
        """Fork the daemon and do not wait for it."""
        self._process = self.nursery.bear(self.config, self.environ, self.log, arguments)


def _bear(ask: Connection) -> None:
    """Fork what is asked for; say how those ended who are asked about."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    is_warm = False
    while True:
        try:
            order = ask.recv()
        except EOFError:
            return
        if len(order) == 1:
            pid, status = os.waitpid(order[0], os.WNOHANG)
            ask.send(os.waitstatus_to_exitcode(status) if pid else None)
            continue
        if not is_warm:
            _warm_up(*order[:2])
            is_warm = True
        pid = os.fork()
        if not pid:
            ask.close()
            _live(*order)
        ask.send(pid)


def _warm_up(config: str, environ: Mapping[str, str]) -> None:
    """Load what this configuration needs at its start and with its first answers."""
    loaded = load_config(config, environ)
    Languages(loaded.config.analysis.languages).detect(COMMENT)
    for name in OF_WORK:
        importlib.import_module(name)
    gc.freeze()  # a collection would write to the pages that the daemons share with this process


def _live(config: str, environ: Mapping[str, str], log: str, arguments: Sequence[str]) -> None:
    """Be the daemon, to the end of this process."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(environ)
    os.chdir(Path(config).parent)
    out = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.dup2(out, 1)
    os.dup2(out, 2)
    sys.argv = ["connector", "run", "--config", config, *arguments]
    code: object = 1
    try:
        main()
    except SystemExit as end:
        code = end.code
    except BaseException:  # noqa: BLE001  nothing may go on as the nursery
        traceback.print_exc()
    sys.stdout.flush()
    os._exit(code if isinstance(code, int) else 1)
