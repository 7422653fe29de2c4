"""Plays a program: everything happens when it should, processes die and are replaced, and at last all comes to rest."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import json
import logging
import random
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from connector import observe
from connector.store import erasures, subjects
from connector.sync.importing import Columns, Import
from connector.sync.tables import Table
from connector.testing.twin import Crash
from connector.transport.client import CallNote
from connector.wiring.importing import Importer
from tests.chaos.configuration import FEW, HEARD_IN, REWRITES, shared_reason
from tests.chaos.drawing import Happening, Program
from tests.chaos.issued import FORMS, Answer, Journal, Person, Version
from tests.chaos.people import ACTIONS
from tests.chaos.process import Process
from tests.chaos.world import World

REST = timedelta(hours=4)
AFTERWARDS = timedelta(hours=2)
POLL_GAP = timedelta(minutes=18)
QUIET_GAP = timedelta(minutes=55)
AGAIN = timedelta(seconds=150)
"""After which a sender repeats what was not acknowledged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """What is left of a program: the oracle's journal, the store's file, what vendors hold and which calls they saw."""

    journal: Journal
    store: Path
    truths: Mapping[str, Mapping[str, Any]]
    requests: Mapping[str, list[dict[str, Any]]]
    ended_at: datetime
    digest: str


class Play:
    """One program on its way."""

    def __init__(self, program: Program, folder: Path) -> None:
        self.program = program
        self.journal = program.journal
        self.journal.few_tickets = program.few_tickets
        self._rewrites = FEW if program.few_tickets else REWRITES
        self.dice = random.Random(program.seed + 1)
        self.steps = 0
        self.is_over = False
        self.standing_still = False
        self.copy: Path | None = None
        self.senders: list[tuple[datetime, int, Happening]] = []
        self.world = World(
            folder,
            vendors=program.vendors,
            mode=program.mode,
            rewrite=self._rewrites[0],
            remap=shared_reason,
            on_step=self._step,
            call_takes=self._call_takes,
            poll_gap=POLL_GAP,
        )

    def play(self) -> Played:
        random.seed(self.program.seed)
        log = io.StringIO()
        with listening(log), self.world:
            self._furnish()
            self._happen()
            self._come_to_rest()
            played = self._result()
        self.journal.troubles += self.world.troubles
        self.journal.log = log.getvalue()
        return played

    # --- time ----------------------------------------------------------------------------------------------------

    def _happen(self) -> None:
        ahead = list(reversed(self.program.happenings))
        while ahead or self.senders:
            again = min(self.senders, default=None, key=lambda one: one[:2])
            if again is not None and (not ahead or again[0] < ahead[-1].at):
                self.senders.remove(again)
                self._until(again[0])
                self._hook(again[2], tries=again[1] + 1)
                continue
            one = ahead.pop()
            self._until(one.at)
            if one.what in ACTIONS:
                said = ACTIONS[one.what](self.world, self.journal, one)
                if said is not None:
                    self._hook(said)
            else:
                getattr(self, f"_{one.what}")(one)

    def _until(self, at: datetime) -> None:
        world = self.world
        while world.clock.now() < at:
            if world.process is None:
                delay = timedelta(seconds=self.dice.choice((0, 0, 1, 20, 20, 900)))
                world.advance(min(delay, at - world.clock.now()))
                world.start(knows_dead=self.dice.random() < 0.6)
            else:
                world.run(at)

    def _come_to_rest(self) -> None:
        self.is_over = True
        world = self.world
        for site in world.sites.values():
            site.faults.clear()
            site.skew = timedelta(0)
        world.poll_gap = QUIET_GAP
        if world.process is None:
            world.start()
        world.run_for(REST)
        if self.program.mode == "live":
            self.journal.fresh = self._fresh()
            world.run_for(AFTERWARDS)

    def _fresh(self) -> Answer:
        person = Person(number=99, name="Nora Zimmer", email="nora.zimmer@example.com")
        answer = Answer(number=999, token=f"s{self.program.seed}fresh", form="service", person=person, how="hook")
        answer.consents = {1: True} if self.journal.mails else {}
        tag = f"qzx{self.program.seed}n999v1z"
        at = self.world.clock.now().replace(microsecond=0)
        answer.versions.append(Version(number=1, mood="unhappy", csat=1, nps=3, tag=tag, at=at))
        self.journal.people.append(person)
        self.journal.answers.append(answer)
        self._hook(Happening(at=at, what="hook", answer=answer, version=answer.versions[0]))
        return answer

    def _step(self, process: Process, point: str) -> None:
        if self.is_over or self.standing_still:
            return
        self.steps += 1
        kills, pauses = self.program.kills, self.program.pauses
        if kills and self.steps >= kills[0]:
            del kills[0]
            self.journal.kills += 1
            self.journal.deaths.append(self.world.clock.now())
            raise Crash
        is_inside = getattr(process.db._inside, "active", False)
        if (
            pauses
            and self.steps >= pauses[0]
            and point != "commit"
            and not is_inside
            and self._may_pause(process, point)
        ):
            del pauses[0]
            self.journal.pauses += 1
            self.journal.deaths.append(self.world.clock.now())
            self.standing_still = True
            try:
                self.world.stand_still(process, timedelta(seconds=self.dice.choice((8, 90, 400))))
            finally:
                self.standing_still = False
                self.journal.deaths.append(self.world.clock.now())  # it wakes, and ends with what it was about to do

    def _may_pause(self, process: Process, point: str) -> bool:
        """While it drains a write lane; every other time before a request that is written down leaves."""
        if point == "commit" or getattr(process.db._inside, "active", False):
            return False
        if self.journal.pauses % 2 == 0 and not (point == "committed" and self._is_sending()):
            return False
        writes = any(name.startswith("write/") for name in process.holding)
        return self.world.process is process and not process.is_dead and writes

    def _is_sending(self) -> bool:
        with contextlib.closing(sqlite3.connect(f"file:{self.world.store}?mode=ro", uri=True)) as store:
            return store.execute("SELECT 1 FROM \"write\" WHERE state = 'sending' LIMIT 1").fetchone() is not None

    def _call_takes(self, note: CallNote) -> timedelta:
        slow = not self.is_over and self.dice.random() < 0.02
        return timedelta(milliseconds=self.dice.choice((4000, 12_000)) if slow else self.dice.randint(40, 200))

    # --- the world before ----------------------------------------------------------------------------------------

    def _furnish(self) -> None:
        simulators, crm = self.world.simulators, self.journal.crm
        if self.journal.quiet:
            simulators.slack.add_channel(HEARD_IN)
        for person in self.journal.people:
            first, _, last = person.name.partition(" ")
            phone = f"+49301234000{person.number}"
            if person.contact is not None and crm == "salesforce":
                fields = {"FirstName": first, "LastName": last, "Email": person.email, "Phone": phone}
                if person.serviced is not None:
                    fields["Last_Service__c"] = person.serviced
                person.contact = simulators.salesforce.add_contact(**fields)
            elif person.contact is not None:
                given = {"firstname": first, "lastname": last, "email": person.email, "phone": phone}
                if person.serviced is not None:
                    given["last_service"] = person.serviced
                person.contact = simulators.hubspot.add_contact(**given)
            if person.ticket is not None:
                person.ticket = simulators.zendesk.add_ticket(requester_email=person.email, subject="Please help")
                simulators.zendesk.desk.backdate(person.ticket, timedelta(days=3))
        self.journal.before = {name: site.snapshot()["objects"] for name, site in self.world.sites.items()}
        self.world.run_for(timedelta(minutes=2))

    # --- what can happen -----------------------------------------------------------------------------------------

    def _hook(self, one: Happening, tries: int = 0) -> None:
        assert one.answer is not None
        assert one.version is not None
        self.journal.tried += 1
        one.answer.attempted.add(one.version.number)
        one.answer.first_tried = one.answer.first_tried or self.world.clock.now()
        door = "webhook" if one.answer.form == "kiosk" else "typeform"
        status = self.world.deliver(door, one.answer.body(one.version, one.envelope))
        if status == 200:
            one.answer.acknowledged.setdefault(one.version.number, self.world.clock.now())
            self.journal.taken += 1
        else:
            self.senders.append((self.world.clock.now() + AGAIN, tries, one))
        if self.is_over and status != 200:
            self.journal.troubles.append(f"a fresh delivery was answered {status}")

    def _list(self, one: Happening) -> None:
        """The survey tool lists the answer; who polls finds it."""
        assert one.answer is not None
        assert one.version is not None
        listed = [version for version in one.answer.versions if version.number in one.answer.attempted]
        if one.answer.how == "both" or all(version.at <= one.version.at for version in listed):
            self.world.simulators.typeform.responses.add(one.answer.event(one.version))
        one.answer.attempted.add(one.version.number)
        one.answer.first_tried = one.answer.first_tried or self.world.clock.now()
        if one.answer.how == "poll":
            one.answer.acknowledged.setdefault(one.version.number, self.world.clock.now())

    def _fault(self, one: Happening) -> None:
        assert one.fault is not None
        self.world.sites[one.site].faults.add(one.fault)

    def _forged(self, one: Happening) -> None:
        tag = f"qzx{self.program.seed}f{len(self.journal.forged)}z"
        answer = Answer(
            number=900, token=f"s{self.program.seed}forged", form="service", person=self.journal.people[0], how="hook"
        )
        version = Version(number=1, mood="danger", csat=1, nps=2, tag=tag, at=one.at.replace(microsecond=0))
        self.journal.forged.append(tag)
        status = self.world.deliver("typeform", answer.body(version), self.dice.choice(("forged", "none")))
        if status not in {0, 401, 503}:
            self.journal.troubles.append(f"a forged delivery was answered {status}")

    def _broken(self, one: Happening) -> None:
        if self.world.deliver("typeform", b'{"event_type": "form_response", "form_response": {"token":') == 200:
            self.journal.broken += 1
            self.journal.taken += 1
        self.journal.tried += 1
        self.journal.broken_sent += 1

    def _expire(self, one: Happening) -> None:
        simulators = self.world.simulators
        tokens = {"salesforce": simulators.salesforce.tokens, "zendesk": simulators.zendesk.tokens}.get(one.site)
        if tokens is not None:
            tokens._grants.clear()

    def _skew(self, one: Happening) -> None:
        self.world.sites[one.site].skew = timedelta(seconds=one.number)

    def _doom(self, one: Happening) -> None:
        self.program.kills.insert(0, self.steps + one.number)

    def _outage(self, one: Happening) -> None:
        self.journal.deaths.append(self.world.clock.now())
        self.world.end()
        self.world.advance(timedelta(hours=one.number))
        self.world.start()

    def _reload(self, one: Happening) -> None:
        process, world = self.world.process, self.world
        world.rewrite = self._rewrites[one.number]
        if process is None:
            return
        self.journal.reloads += 1
        self.journal.deaths.append(world.clock.now())
        try:
            process.reload(world.configuration())
        except Crash:
            world.bury()

    def _backup(self, one: Happening) -> None:
        self.copy = self.world.backup()
        self.journal.backed_up = self.world.clock.now()

    def _restore(self, one: Happening) -> None:
        if self.copy is not None:
            self.journal.deaths.append(self.world.clock.now())
            asked = self._being_erased()
            self.world.restore(self.copy)
            self._ask_again(asked)
            self.journal.restored.append(self.world.clock.now())

    def _being_erased(self) -> frozenset[str]:
        """The addresses of those whose erasure is under way."""
        db = self.world.open_store()
        try:
            with db.read() as tx:
                return frozenset(mail for one in erasures.under_way(tx) for mail in one.known.emails)
        finally:
            db.close()

    def _ask_again(self, asked: frozenset[str]) -> None:
        """As docs/privacy.md wants it: whose erasure was under way and is not any more is erased once more."""
        for email in sorted(asked - self._being_erased()):
            db = self.world.open_store()
            try:
                with db.write() as tx:
                    erasures.begin(tx, subjects.of_address(tx, email=email))
            finally:
                db.close()

    def _erase(self, one: Happening) -> None:
        people = self.journal.people
        person = people[one.number % len(people)]
        db = self.world.open_store()
        try:
            with db.read() as tx:
                known = subjects.of_address(tx, email=person.email)
                if subjects.is_nobody(tx, known):
                    return
            with db.write() as tx:
                erasures.begin(tx, known)
        finally:
            db.close()
        self.journal.erased.add(person.number)
        self.journal.erased_at[person.number] = self.world.clock.now()

    def _import(self, one: Happening) -> None:
        rows = [answer for answer in self.journal.answers if answer.how == "import"]
        file = self.world.folder / "answers.csv"
        with file.open("w", newline="") as out:
            writer = csv.writer(out)
            writer.writerow(["id", "submitted_at", "csat", "recommend", "why", "mail", "name"])
            for answer in rows:
                version, person = answer.versions[0], answer.person
                assert person is not None
                said = version.at.isoformat()
                writer.writerow(
                    [answer.token, said, version.csat, version.nps, version.comment, person.email, person.name]
                )
        loaded = self.world.configuration()
        db = self.world.open_store()
        importer = Importer(loaded, db, self.world.clock)
        try:
            columns = Columns(id="id", time="submitted_at", zone=ZoneInfo("UTC"))
            taken = Import(
                db, importer.into("service", FORMS["service"]), columns, act=False, mode=self.program.mode, config="c"
            )
            with Table(file) as table:
                for _ in taken.take(table):
                    pass
        finally:
            importer._occupation.close()
            db.close()
        for answer in rows:
            answer.acknowledged.setdefault(1, self.world.clock.now())
            answer.attempted.add(1)
            self.journal.taken += 1
            self.journal.tried += 1

    # --- what is left --------------------------------------------------------------------------------------------

    def _result(self) -> Played:
        requests = {
            name: [entry.as_json() for entry in site.requests.entries()] for name, site in self.world.sites.items()
        }
        trace = [
            [name, one["endpoint"], one["status"], one["at"], one["fault"]]
            for name, entries in requests.items()
            for one in entries
        ]
        return Played(
            journal=self.journal,
            store=self.world.store,
            truths={name: site.snapshot() for name, site in self.world.sites.items()},
            requests=requests,
            ended_at=self.world.clock.now(),
            digest=hashlib.sha256(json.dumps(trace).encode()).hexdigest()[:16],
        )


@contextlib.contextmanager
def listening(stream: io.StringIO) -> Any:
    """Everything that is logged goes to `stream`."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    observe.configure("INFO", stream)
    observe.quiet()
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        logging.captureWarnings(False)
