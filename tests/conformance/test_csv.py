"""CSV files hold what every keeper of records must hold."""

from __future__ import annotations

import csv
from pathlib import Path

from connector.adapters.csv import Csv, Options
from connector.clock import VirtualClock
from connector.config.records import Columns
from connector.testing.records import InteractionsSuite, Kept, Row, Shop
from connector.testing.world import START
from connector.transport.grants import MemoryTokens
from connector.transport.kit import Kit

NAMES = ("id", "occurred_at", "service", "staff", "amount", "email")


class Files:
    """One file, or one a row in a folder, written anew at each change."""

    def __init__(self, path: Path, *, is_folder: bool) -> None:
        self.path = path / ("orders" if is_folder else "orders.csv")
        self.is_folder = is_folder
        self.rows: dict[str | None, Row] = {}
        self.service = "service"
        self.writes = 0
        if is_folder:
            self.path.mkdir()
        else:
            self.put()

    def write(self, rows: list[Row]) -> None:
        self.rows |= {row["id"]: row for row in rows}
        self.put()

    def put(self) -> None:
        """Two files hold half the rows each, where it is a folder. Replaced, as exports are."""
        rows, parts = list(self.rows.values()), 2 if self.is_folder else 1
        for part in range(parts):
            file = self.path / f"part{part}.csv" if self.is_folder else self.path
            fresh = file.with_suffix(".new")
            with fresh.open("w", newline="") as out:
                table = csv.writer(out)
                table.writerow([self.service if name == "service" else name for name in NAMES])
                table.writerows([[row.get(name) or "" for name in NAMES] for row in rows[part::parts]])
            fresh.replace(file)

    def rename(self, name: str) -> None:
        self.service = name
        self.put()

    def damage(self) -> None:
        for file in self.files():
            file.write_bytes(b"id,occurred_at\n\xff\xfe")

    def files(self) -> list[Path]:
        return sorted(self.path.glob("*.csv")) if self.is_folder else [self.path]

    def connect(self) -> Csv:
        clock = VirtualClock(START)
        options = Options(path=self.path, columns=Columns(**{name: name for name in NAMES}))
        return Csv("shop", options, Kit(clock=clock, token_store=MemoryTokens(clock)))


def shop(folder: Path, *, is_folder: bool) -> Shop:
    files = Files(folder, is_folder=is_folder)
    return Shop(
        connect=files.connect,
        write=lambda rows: files.write(list(rows)),
        damage=files.damage,
        mend=files.put,
        rename=files.rename,
        state=lambda: [(file.name, file.read_bytes(), file.stat().st_mtime_ns) for file in files.files()],
    )


class TestRecords(InteractionsSuite):
    cases = {
        "file": Kept(page="csv", open=lambda folder: shop(folder, is_folder=False)),
        "folder": Kept(page="csv", open=lambda folder: shop(folder, is_folder=True)),
    }
    lacks = {"C7": "A file that looks different is read from its beginning."}
