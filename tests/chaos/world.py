"""The whole connector in one process under one virtual clock: the shipped example, the real simulators on loopback.

A `World` is the vendors and one store; in it live processes of the connector, one after another or two at once. Nothing
here sleeps: time passes when nothing is due, a little with every vendor call, and as faults say. With the same dice the
same things happen in the same order.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from types import TracebackType

from connector.clock import VirtualClock
from connector.config import Config, Loaded
from connector.secret import Secret
from connector.simulator import github, hubspot, jira, salesforce, slack, smtp, typeform, workflow, zendesk
from connector.simulator.parts import Fields, Site
from connector.simulator.suite import INHOUSE_SECRET, Simulators
from connector.store import lanes
from connector.store.database import Database
from connector.store.keyring import KeyRing
from connector.testing.twin import Crash
from connector.transport.client import CallNote
from connector.wiring.status import Status, read_status
from tests.chaos.configuration import KEY, Extras, as_shipped, loaded_with
from tests.chaos.process import Process, Step

START = datetime(2026, 11, 20, 9, tzinfo=UTC)
CALL = timedelta(milliseconds=120)
"""What a vendor call takes."""
JIRA_LAG = 20
"""Jira's search lags so many times longer than its comments."""
MOST_TURNS = 20_000
POLLS = ("poll/", "collect/")
SOON = timedelta(seconds=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Vendors:
    """How the accounts are. The defaults are those of well-kept accounts."""

    crm: str = "salesforce"
    task_key: bool = True
    duplicate_rule: bool = False
    lookup_lag: timedelta = timedelta(0)
    history_lag: timedelta = timedelta(0)
    custom_statuses: bool = True
    extras: Extras = field(default_factory=Extras)

    def open(self, clock: VirtualClock) -> Simulators:
        """The accounts, not started yet."""
        return Simulators(
            crm=self.crm,
            salesforce=salesforce.Salesforce(clock, task_key=self.task_key, duplicate_rule=self.duplicate_rule),
            hubspot=hubspot.HubSpot(clock, task_key=self.task_key),
            zendesk=zendesk.Zendesk(clock, lookup_lag=self.lookup_lag, custom_statuses=self.custom_statuses),
            slack=slack.Slack(clock, history_lag=self.history_lag),
            typeform=typeform.Typeform(clock),
            workflow=workflow.Workflow(clock),
            github=github.GitHub(clock, list_lag=self.extras.lag),
            jira=jira.Jira(clock, search_lag=JIRA_LAG * self.extras.lag, comment_lag=self.extras.lag),
        )


def sites_of(simulators: Simulators, mail: smtp.Smtp, extras: Extras) -> dict[str, Site]:
    """The sites that are used, by the name of their connection; the mail server's by its kind."""
    crm = simulators.hubspot.site if simulators.crm == "hubspot" else simulators.salesforce.site
    sites: dict[str, Site] = {
        simulators.crm: crm,
        "zendesk": simulators.zendesk.site,
        "slack": simulators.slack.site,
        "typeform": simulators.typeform.site,
        "zapier": simulators.workflow.site,
    }
    if extras.tracker:
        sites[extras.tracker] = simulators.jira.site if extras.tracker == "jira" else simulators.github.site
    if extras.mail:
        sites["smtp"] = mail.site
    return sites


@cache
def _template() -> Path:
    """A store made once by the migrations; copying it takes a hundredth of making it."""
    made = Path(tempfile.mkdtemp(prefix="connector-chaos-template-")) / "store.db"
    Database(f"sqlite:///{made}", KeyRing([Secret(KEY)]), VirtualClock(START)).create().close()
    return made


class World:
    """Vendors, a store and whoever works on it. A context manager; leaving it stops everything.

    Args:
        folder: where the store goes; in memory it is fast.
        vendors: how the accounts are.
        mode: live or observe.
        rewrite: changes the text of the configuration; keep it a function with a name, results are remembered by it.
        remap: changes the text of the CRM's mapping, in the same way.
        on_step: called at every step of every process.
        call_takes: how long a call takes, by its note.
        poll_gap: lanes that only read are drained so much after their last drain at the earliest, however soon they are
            due: calling a lane late is always safe, and programs last days.
        clock: everybody's clock, at START; by default one of this process alone.
    """

    def __init__(
        self,
        folder: Path,
        *,
        vendors: Vendors | None = None,
        mode: str = "live",
        rewrite: Callable[[str], str] = as_shipped,
        remap: Callable[[str], str] = as_shipped,
        on_step: Step = lambda process, point: None,
        call_takes: Callable[[CallNote], timedelta] = lambda note: CALL,
        poll_gap: timedelta = timedelta(0),
        clock: VirtualClock | None = None,
    ) -> None:
        self.folder = folder
        self.store = folder / "store.db"
        self.clock = VirtualClock(START) if clock is None else clock
        self.vendors = vendors or Vendors()
        self.simulators = self.vendors.open(self.clock)
        self.mail = smtp.Smtp(self.clock)
        self.sites = sites_of(self.simulators, self.mail, self.vendors.extras)
        for site in self.sites.values():
            site.start()
        self.mode = mode
        self.rewrite = rewrite
        self.remap = remap
        self.lives = 0
        self.on_step = on_step
        self.troubles: list[str] = []
        self.poll_gap = poll_gap
        self._polled: dict[str, datetime] = {}
        self._call_takes = call_takes
        shutil.copy(_template(), self.store)
        self.process: Process | None = None

    def __enter__(self) -> World:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.end()
        for site in self.sites.values():
            site.stop()

    # --- processes -----------------------------------------------------------------------------------------------

    def configuration(self) -> Loaded:
        """The configuration as it is now, leading to the simulators and to this store."""
        wanted = replace(self.vendors.extras, lag=timedelta(0))  # no business of the file's, which is read but once
        loaded = loaded_with(self.vendors.crm, self.mode, wanted, self.rewrite, self.remap)
        connections = dict(loaded.config.connections)
        for name, connection in connections.items():
            site = self._site_of(connection.kind)
            if site is None:
                continue
            options = connection.options
            if connection.kind == "workflow":
                options = options.model_copy(
                    update={
                        "url": Secret(self.simulators.workflow.url),
                        "headers": {"X-Api-Key": Secret(workflow.API_KEY)},
                    }
                )
            elif connection.kind == "smtp":
                options = options.model_copy(update={"port": self.mail.port})
            else:
                options = options.model_copy(update={"base_url": site.base_url})
            connections[name] = connection.model_copy(update={"options": options})
        changes = {"store": f"sqlite:///{self.store}", "connections": connections}
        return replace(loaded, config=_changed(loaded.config, changes))

    def _site_of(self, kind: str) -> Site | None:
        return self.simulators.workflow.site if kind == "workflow" else self.sites.get(kind)

    def make(self) -> Process:
        """A process on the store as it lies there, not started."""
        self.lives += 1
        return Process(
            self.configuration(), self.clock, name=f"life-{self.lives}", on_step=self._step, on_call=self._called
        )

    def start(self, *, knows_dead: bool = True) -> bool:
        """A process takes over; False when it died over that. `knows_dead`: it need not wait for leases to run out."""
        process = self.make()
        self.process = process
        try:
            process.start(self._owners(process) if knows_dead else None)
        except Crash:
            self.bury()
        return self.process is not None

    def stand_still(self, process: Process, lasting: timedelta) -> None:
        """To be called in a step, outside of any transaction: this process stands still while another takes over.

        It then goes on with what it was doing, and ends with that.
        """
        assert self.process is process
        self.process = None
        if self.start(knows_dead=False):
            self.run_for(lasting)
        elif self.process is None:
            self.advance(lasting)

    def end(self) -> None:
        """The process is gone, between two steps."""
        if self.process is not None:
            self.bury()

    def bury(self) -> None:
        """Take what is left of a dead process away."""
        assert self.process is not None
        process, self.process = self.process, None
        self.troubles += process.troubles
        process.close()

    def restart(self, after: timedelta = timedelta(0), *, knows_dead: bool = True) -> None:
        """The process dies here, and another starts `after` that."""
        self.end()
        self.advance(after)
        self.start(knows_dead=knows_dead)

    def backup(self, name: str = "copy.db") -> Path:
        """A copy of the store as it is now, made as `connector backup` makes one."""
        copy = self.folder / name
        _copy_store(self.store, copy)
        return copy

    def restore(self, copy: Path) -> None:
        """The process dies, the store is replaced by an older copy; nobody was started yet."""
        self.end()
        _copy_store(copy, self.store)

    def _owners(self, process: Process) -> dict[str, str]:
        with process.db.read() as tx:
            return {lane: owner for lane, owner in lanes.owners(tx).items() if owner != process.name}

    def _step(self, process: Process, point: str) -> None:
        self.on_step(process, point)

    def _called(self, note: CallNote) -> None:
        self.clock.advance(self._call_takes(note))

    # --- time ----------------------------------------------------------------------------------------------------

    def run(self, until: datetime, most: int = MOST_TURNS) -> bool:
        """Drain whatever is due first and let time pass up to the next thing due, until `until`.

        False, and it is still before that, when the process died or there is none.
        """
        for _ in range(most):
            if self.turn(until):
                continue
            if self.process is not None:
                self._pass_to(until)
            return self.process is not None
        raise AssertionError(f"no rest by {until}: {self._next()}")

    def run_for(self, lasting: timedelta) -> bool:
        """Go on for so long; False when it died."""
        return self.run(self.clock.now() + lasting)

    def turn(self, until: datetime) -> bool:
        """One drain of the lane that is due first; False when none is by `until`, or nobody is there."""
        found = self._next()
        if found is None or found[0] > until or self.process is None:
            return False
        self._pass_to(found[0])
        process = self.process
        began = self.clock.now()
        try:
            process.turn(found[1])
            if found[1].startswith(POLLS) and self._has_ended(process, found[1]):
                self._polled[found[1]] = began
        except Crash:
            if self.process is process:
                self.bury()
        if self.process is not process and not process.is_dead:
            self.troubles += process.troubles  # another took over while it stood still: it learned that, and ends
            process.close()
        return True

    def _has_ended(self, process: Process, lane: str) -> bool:
        """Whether a walk that only reads came to its end; one that lost its lane, or failed, goes on soon."""
        at = process.due().get(lane)
        return at is None or at > self.clock.now() + SOON

    def _next(self) -> tuple[datetime, str] | None:
        process = self.process
        if process is None:
            return None
        try:
            due = process.due()
        except Crash:
            self.bury()
            return None
        now = self.clock.now()
        for name, at in self._polled.items():
            if name in due:
                due[name] = max(due[name], at + self.poll_gap)
        ways = [(max(due[name], now), place, name) for place, name in enumerate(process.lanes) if name in due]
        if not ways:
            return None
        at, _, name = min(ways)
        return at, name

    def advance(self, step: timedelta) -> None:
        """Let time pass while nobody works."""
        self._pass_to(self.clock.now() + step)

    def _pass_to(self, at: datetime) -> None:
        """Move the clock on; what vendors do late they do in time."""
        while (first := min((s.next_due for s in self.sites.values() if s.next_due), default=at)) < at:
            self._move_to(first)
            for site in self.sites.values():
                with site.lock:
                    site.settle()
        self._move_to(at)

    def _move_to(self, at: datetime) -> None:
        self.clock.advance(max(at - self.clock.now(), timedelta(0)))

    # --- what is delivered, and what is held ---------------------------------------------------------------------

    def deliver(self, kind: str, body: bytes, signature: str = "good") -> int:
        """POST one delivery to the hook of the connection of a kind, as its sender would; the HTTP status, 0 without
        an answer. `signature` is good, forged or none.
        """
        process = self.process
        if process is None:
            return 0
        hook = next(name for name, one in process.loaded.config.connections.items() if one.kind == kind)
        status = process.post(f"/hooks/{hook}", body, _headers(kind, body, signature))
        if process.is_dead and self.process is process:
            self.bury()
        return status

    def truth(self, connection: str) -> Mapping[str, Mapping[str, Fields]]:
        """What a vendor really holds: kind → id → fields."""
        found: Mapping[str, Mapping[str, Fields]] = self.sites[connection].snapshot()["objects"]
        return found

    def open_store(self) -> Database:
        """The store, as a command opens it. Close it."""
        return Database(f"sqlite:///{self.store}", KeyRing([Secret(KEY)]), self.clock, Path(f"{self.store}.erased"))

    def status(self) -> Status:
        """Every count of the store."""
        db = self.open_store()
        try:
            return read_status(db, self.mode)
        finally:
            db.close()


def _headers(kind: str, body: bytes, signature: str) -> dict[str, str]:
    headers = {"Content-Type": "application/json", "Content-Length": str(len(body))}
    if signature == "none":
        return headers
    wrong = "" if signature == "good" else "wrong"
    if kind == "webhook":
        digest = hmac.new((INHOUSE_SECRET + wrong).encode(), body, hashlib.sha256).hexdigest()
        return {**headers, "X-Signature": f"sha256={digest}"}
    return {**headers, "Typeform-Signature": typeform.sign(typeform.SECRET + wrong, body)}


def _changed(config: Config, changes: Mapping[str, object]) -> Config:
    return config.model_copy(update=dict(changes))


def _copy_store(source: Path, to: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        to.with_name(to.name + suffix).unlink(missing_ok=True)
    for suffix in ("", "-wal"):
        if source.with_name(source.name + suffix).exists():
            shutil.copy(source.with_name(source.name + suffix), to.with_name(to.name + suffix))


def silence() -> None:
    """No log line is written: formatting them takes longer than deciding."""
    logging.getLogger("connector").setLevel(logging.CRITICAL)
