"""What a benchmark found, in one shape: the rounds as measured, the ratios, and whether what is promised was kept."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

LIBRARIES = (
    "fastapi",
    "uvicorn",
    "sqlalchemy",
    "httpx",
    "zenpy",
    "simple-salesforce",
    "hubspot-api-client",
    "tenacity",
    "rapidfuzz",
    "dbos",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One figure, round by round. `loads` is the machine's load average at the end of each round, for the reader."""

    what: str
    unit: str
    rounds: Sequence[float]
    loads: Sequence[float] = ()

    @property
    def median(self) -> float:
        """The middle of the rounds."""
        return statistics.median(self.rounds)

    def line(self) -> str:
        """As a row of a table: median, rounds, loads."""
        each = ", ".join(_shown(value) for value in self.rounds)
        loads = ", ".join(f"{load:.1f}" for load in self.loads) or "–"
        return f"| {self.what} | **{_shown(self.median)}** {self.unit} | {each} | {loads} |"


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """Something promised: what was wanted, what was found, and whether that is enough."""

    what: str
    wanted: str
    found: str
    met: bool

    def line(self) -> str:
        """As an item of a list."""
        return f"- {'met' if self.met else '**missed**'}: {self.what}: {self.found}, wanted {self.wanted}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Everything one benchmark has to say. `notes` are what a reader must know to judge it."""

    name: str
    claim: str
    command: str
    series: Sequence[Series] = ()
    ratios: Sequence[str] = ()
    goals: Sequence[Goal] = ()
    tables: Sequence[str] = ()
    notes: Sequence[str] = ()
    seconds: float = field(default=0.0)

    def text(self) -> str:
        """As a section of a page."""
        parts = [f"## {self.name}", self.claim]
        if self.ratios:
            parts.append("\n".join(f"- **{ratio}**" for ratio in self.ratios))
        if self.goals:
            parts.append("\n".join(goal.line() for goal in self.goals))
        parts += self.tables
        if self.series:
            head = "| | median | rounds | load average |\n|---|---|---|---|"
            parts.append("\n".join([head, *(one.line() for one in self.series)]))
        if self.notes:
            parts.append("\n".join(f"- {note}" for note in self.notes))
        took = f" ({self.seconds:.0f} s)" if self.seconds else ""
        parts.append(f"Reproduce: `{self.command}`{took}")
        return "\n\n".join(parts) + "\n"


def load() -> float:
    """The load average of the last minute."""
    return os.getloadavg()[0]


def ratio(ours: Series, theirs: Series) -> float:
    """The median of ours over theirs, round by round: rounds alternate, so that both saw one machine."""
    return statistics.median(mine / other for mine, other in zip(ours.rounds, theirs.rounds, strict=True))


def machine() -> str:
    """What it ran on."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    versions = ", ".join(f"{name} {version}" for name in LIBRARIES if (version := _version(name)))
    return "\n".join(
        [
            f"- {datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
            f"- {_processor()}, {os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()} {platform.release()}",
            f"- {platform.python_implementation()} {platform.python_version()}, {versions}",
        ]
    )


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    listed = Path("/proc/cpuinfo")
    lines = listed.read_text().splitlines() if listed.exists() else []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.machine())


def _shown(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
