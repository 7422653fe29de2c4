"""Which process this is, and whether another one of this machine still lives.

A process that died cannot wake up late, so its leases need not be waited for. That is only known on the same machine
and in the same process namespace (two containers both have a process 1); every other owner is believed to live until
its lease runs out.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path


def process_name() -> str:
    """`<host>/<process namespace>/<process id>/<start time>`: never the same twice, even when ids are reused."""
    return "/".join((*_place(), str(os.getpid()), _started(os.getpid())))


def is_dead(owner: str) -> bool:
    """Whether `owner`, made by `process_name`, certainly runs no more."""
    *place, process, started = owner.split("/")
    if tuple(place) != _place() or not process.isdigit():
        return False
    return _started(int(process)) != started


def _place() -> tuple[str, ...]:
    try:
        namespace = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        namespace = "-"
    return socket.gethostname(), namespace


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
