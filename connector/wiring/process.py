"""Which process this is, and whether another one of this machine still lives.

A process that died cannot wake up late, so its leases need not be waited for. That is only known on the same machine
and in the same process namespace (two containers both have a process 1); every other owner is believed to live until
its lease runs out. Machines may be called the same, and number their namespaces the same: what tells them apart is the
id of their boot.
"""

from __future__ import annotations

import os
import socket
from functools import partial
from pathlib import Path

from connector.store.database import Database
from connector.store.tokens import Tokens


def tokens_of(db: Database) -> Tokens:
    """The tokens in `db`, refreshed by this process."""
    return Tokens(db, process_name(), partial(is_dead, is_shared=db.is_server))


def process_name() -> str:
    """`<host>/<process namespace>/<boot>/<process id>/<start time>`: never the same twice, even when ids are reused."""
    return "/".join((*_place(), _boot(), str(os.getpid()), _started(os.getpid())))


def is_dead(owner: str, *, is_shared: bool) -> bool:
    """Whether `owner`, made by `process_name`, certainly runs no more.

    The store is one machine's, or `is_shared`: of another boot then is another machine, rather than this one before.
    """
    *place, boot, process, started = ("", "", *owner.split("/"))[-5:]
    if tuple(place) != _place() or not process.isdigit():
        return False
    if boot != _boot():
        return not is_shared
    return _started(int(process)) != started


def _place() -> tuple[str, ...]:
    try:
        namespace = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        namespace = "-"
    return socket.gethostname(), namespace


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return "-"


def _started(process: int) -> str:
    """When a process started, in ticks since boot; without /proc only whether it is there; empty when it is not."""
    try:
        text = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        if Path("/proc/self/stat").exists():
            return ""
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return ""
        except PermissionError:
            return "running"
        return "running"
    # The name in parentheses may hold spaces; the start time is the 20th field after it (proc(5)). A zombie is dead.
    fields = text.rpartition(")")[2].split()
    return "" if fields[0] == "Z" else fields[19]
