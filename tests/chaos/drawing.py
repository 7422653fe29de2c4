"""What can happen in a program, and how each kind of it is drawn."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from connector.simulator.parts import Fault, FaultKind
from tests.chaos.faults import KINDS, LOST, MATCHES, OFTEN, drawn
from tests.chaos.issued import Answer, Journal, Person, Version
from tests.chaos.world import START, Vendors


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """One thing that happens at `at`. What `what` means `play` knows."""

    at: datetime
    what: str
    answer: Answer | None = None
    version: Version | None = None
    envelope: int = 0
    site: str = ""
    fault: Fault | None = None
    number: int = 0


@dataclass(slots=True, kw_only=True)
class Program:
    """Everything that is decided before anything happens."""

    seed: int
    vendors: Vendors
    mode: str
    kills: list[int]
    """Steps of the connector's lives at which one ends."""
    pauses: list[int]
    """Steps at which a process stands still while another takes over."""
    few_tickets: bool
    """The ceiling is two new tickets an hour."""
    journal: Journal
    happenings: list[Happening] = field(default_factory=list)


class Drawer:
    """Draws what happens into a program."""

    def __init__(self, program: Program, dice: random.Random, length: timedelta) -> None:
        self.program = program
        self.journal = program.journal
        self.dice = dice
        self.length = length

    def moment(self) -> datetime:
        return START + timedelta(seconds=5 + int(self.dice.random() * self.length.total_seconds()))

    def happen(self, at: datetime, what: str, **more: object) -> None:
        self.program.happenings.append(Happening(at=at, what=what, **more))  # type: ignore[arg-type]  # as named there

    def answer(
        self,
        *,
        mood: str | None = None,
        person: Person | None = None,
        at: datetime | None = None,
        by: str = "hook",
        takes: timedelta | None = None,
    ) -> Answer:
        """Somebody answers, perhaps twice, and it is delivered, perhaps more than once and in any order.

        With a `mood` it comes `by` one way, and once it `takes` so long it is there.
        """
        dice, number = self.dice, len(self.journal.answers)
        form = dice.choices(("service", "desk", "kiosk"), (70, 20, 10))[0] if mood is None else "service"
        who = person or (None if form == "kiosk" else dice.choice(self.journal.people))
        how = "hook" if form != "service" else dice.choices(("hook", "both", "poll"), (60, 25, 15))[0]
        answer = Answer(
            number=number,
            token=f"s{self.program.seed}a{number}",
            form=form,
            person=who,
            how=how if mood is None else by,
        )
        self.journal.answers.append(answer)
        said = at or self.moment()
        is_old = mood is None and how == "hook" and dice.random() < 0.12
        if is_old:
            said -= timedelta(days=dice.randint(9, 60))
        first = self.version(answer, mood or dice.choices(("unhappy", "danger", "happy"), (45, 15, 40))[0], said)
        arrives = (said + timedelta(days=60) if is_old else said) + timedelta(seconds=dice.choice((1, 1, 30, 600)))
        arrives = self.moment() if is_old else arrives if takes is None else said + takes
        self.arrive(answer, first, arrives)
        if mood is None and form == "service" and not is_old and dice.random() < 0.35:
            self.edit(answer, said, arrives)
        return answer

    def edit(self, answer: Answer, said: datetime, arrives: datetime) -> None:
        """The answer is changed soon after, before or after its effects were sent; the versions may change places."""
        dice, first = self.dice, answer.versions[0]
        other = "happy" if first.is_unhappy and dice.random() < 0.7 else dice.choice(("unhappy", "happy", "silent"))
        gap = timedelta(seconds=dice.choice((1, 5, 40, 400, 2000)))
        second = self.version(answer, other, said + gap)
        at = arrives + gap
        if dice.random() < 0.25:
            at = arrives - timedelta(seconds=2)
        self.arrive(answer, second, max(at, said + gap))

    def version(self, answer: Answer, mood: str, at: datetime) -> Version:
        dice, number = self.dice, len(answer.versions) + 1
        csat = dice.choice((4, 5)) if mood == "happy" else dice.choice((1, 2))
        nps = None if answer.form != "service" else dice.choice((9, 10)) if mood == "happy" else dice.choice((2, 5))
        if mood == "silent":
            csat, nps = answer.versions[0].csat % 5 + 1, None
            csat = csat if csat != 3 else 4
        tag = f"qzx{self.program.seed}n{answer.number}v{number}z"
        made = Version(number=number, mood=mood, csat=csat, nps=nps, tag=tag, at=at.replace(microsecond=0))
        answer.versions.append(made)
        return made

    def arrive(self, answer: Answer, version: Version, at: datetime) -> None:
        dice = self.dice
        if answer.how in {"poll", "both"}:
            self.happen(at, "list", answer=answer, version=version)
        if answer.how in {"hook", "both"}:
            self.happen(at, "hook", answer=answer, version=version)
            for envelope in range(2):
                if dice.random() < 0.2:
                    later = at + timedelta(seconds=dice.choice((0, 3, 90, 1500)))
                    self.happen(later, "hook", answer=answer, version=version, envelope=envelope)

    def certain(self) -> None:
        """What makes a program count: a person is unhappy twice, an answer is edited, the answer of a write is lost."""
        dice, person = self.dice, self.dice.choice(self.journal.people)
        at = self.moment()
        one = self.answer(mood="unhappy", person=person, at=at)
        self.answer(
            mood=dice.choice(("unhappy", "danger")), person=person, at=at + timedelta(seconds=dice.choice((2, 60, 700)))
        )
        self.edit(one, at, at + timedelta(seconds=30))
        site = dice.choice((self.journal.crm, "zendesk"))
        match = MATCHES[site][dice.randrange(2)]
        self.happen(at, "fault", site=site, fault=replace(drawn(dice, site, match, dice.choice(LOST)), after=0))

    def flip(self) -> None:
        """Somebody changes their mind and back, while the answers of the writes about it are lost."""
        dice, at = self.dice, self.moment()
        who = dice.choice(self.journal.people)
        answer = self.answer(mood="happy", person=who, at=at)
        for minutes, mood in ((7, "danger"), (dice.choice((9, 13)), "happy")):
            said = at + timedelta(minutes=minutes)
            self.arrive(answer, self.version(answer, mood, said), said + timedelta(seconds=1))
        match = "PATCH */composite/sobjects" if self.journal.crm == "salesforce" else "POST */contacts/batch/*"
        lost = Fault(match=match, kind=dice.choice(LOST[:3]), times=dice.randint(2, 5))
        self.happen(at + timedelta(minutes=8), "fault", site=self.journal.crm, fault=lost)

    def fault(self) -> None:
        dice = self.dice
        site = dice.choices((self.journal.crm, "zendesk", "slack", "zapier", "typeform"), (40, 40, 10, 5, 5))[0]
        kind = dice.choices(KINDS, OFTEN)[0]
        self.happen(self.moment(), "fault", site=site, fault=drawn(dice, site, dice.choice(MATCHES[site]), kind))

    def forged(self) -> None:
        self.happen(self.moment(), "forged")

    def broken(self) -> None:
        self.happen(self.moment(), "broken")

    def expire(self) -> None:
        self.happen(self.moment(), "expire", site=self.dice.choice((self.journal.crm, "zendesk")))
        if self.dice.random() < 0.4:
            fault = Fault(match="POST *token*", kind=FaultKind.REFUSE, status=self.dice.choice((401, 503)), times=2)
            self.happen(self.moment(), "fault", site=self.dice.choice((self.journal.crm, "zendesk")), fault=fault)

    def solve(self) -> None:
        self.happen(self.moment() + timedelta(minutes=5), "solve", number=self.dice.randrange(100))

    def human_edit(self) -> None:
        for _ in range(2):
            self.happen(self.moment() + timedelta(minutes=10), "human_edit", number=self.dice.randrange(100))

    def delete_ticket(self) -> None:
        self.happen(self.moment() + timedelta(minutes=5), "delete_ticket", number=self.dice.randrange(100))

    def delete_contact(self) -> None:
        self.happen(self.moment() + timedelta(minutes=5), "delete_contact", number=self.dice.randrange(100))

    def merge(self) -> None:
        self.happen(self.moment() + timedelta(minutes=5), "merge", number=self.dice.randrange(100))

    def lost_creates(self) -> None:
        """The answers of creates without a key are lost, those that must be asked about."""
        dice, hook = self.dice, self.dice.choice([one for one in self.program.happenings if one.what == "hook"])
        for site, match in (
            (
                self.journal.crm,
                "POST */composite/sobjects" if self.journal.crm == "salesforce" else "POST *batch/create",
            ),
            ("zendesk", "PUT */update_many"),
            ("slack", "POST */chat.postMessage"),
        ):
            self.happen(
                hook.at, "fault", site=site, fault=replace(drawn(dice, site, match, dice.choice(LOST)), after=0)
            )

    def lost_job(self) -> None:
        """A job does nothing, and nobody remembers it."""
        hook = self.dice.choice([one for one in self.program.happenings if one.what == "hook"])
        self.forgotten_job(hook.at)

    def forgotten_job(self, at: datetime) -> None:
        nothing = Fault(match="PUT */update_many", kind=FaultKind.LATE_JOB_FAILURE)
        forgotten = Fault(
            match="GET */job_statuses/*", kind=FaultKind.REPLY, status=404, message='{"error":"RecordNotFound"}'
        )
        for fault in (nothing, forgotten):
            self.happen(at, "fault", site="zendesk", fault=fault)

    def crowd(self) -> None:
        """All are unhappy at the same moment, and again some minutes later; of what is written together some fails."""
        dice, first, second = self.dice, self.moment(), timedelta(seconds=1)
        again = first + timedelta(minutes=dice.choice((8, 12)))
        for at in (first, again):
            for person in self.journal.people:
                self.answer(mood=dice.choice(("unhappy", "unhappy", "danger")), person=person, at=at, takes=second)
        for site in ("zendesk", self.journal.crm):
            fault = replace(drawn(dice, site, dice.choice(MATCHES[site]), FaultKind.RECORD_ERRORS), after=0)
            self.happen(again, "fault", site=site, fault=fault)
        if dice.random() < 0.5:
            self.forgotten_job(again)

    def second_thoughts(self) -> None:
        """Somebody changes an answer twice within a minute, the second time without a word."""
        at = self.moment()
        answer = self.answer(mood="happy", at=at)
        at += timedelta(minutes=15)
        for wait, mood in ((0, "danger"), (self.dice.choice((5, 20, 40)), "silent")):
            said = at + timedelta(seconds=wait)
            self.arrive(answer, self.version(answer, mood, said), said + timedelta(seconds=1))

    def late_listing(self) -> None:
        """The survey tool lists an answer late, and one that was given after it at once."""
        dice, at = self.dice, self.moment()
        self.answer(
            mood=dice.choice(("unhappy", "happy")), at=at, by="poll", takes=timedelta(minutes=dice.choice((25, 50)))
        )
        self.answer(
            mood=dice.choice(("unhappy", "happy")), at=at + timedelta(minutes=2), by=dice.choice(("poll", "both"))
        )

    def doom(self) -> None:
        """The process dies over a delivery: before it is committed, or before anybody heard that it was."""
        hooks = [one for one in self.program.happenings if one.what == "hook"]
        self.happen(self.dice.choice(hooks).at, "doom", number=self.dice.choice((1, 1, 2)))

    def reload(self) -> None:
        self.happen(self.moment(), "reload", number=self.dice.randrange(4))

    def outage(self) -> None:
        """Nobody is there for hours."""
        self.happen(self.moment(), "outage", number=self.dice.choice((1, 3, 30)))

    def skew(self) -> None:
        site = self.dice.choice((self.journal.crm, "zendesk"))
        self.happen(START, "skew", site=site, number=self.dice.choice((-600, -90, 90, 600)))

    def restore(self) -> None:
        at = self.moment()
        self.happen(at, "backup")
        self.happen(at + timedelta(minutes=self.dice.choice((3, 20, 100))), "restore")

    def imported(self) -> None:
        """Old answers from a file."""
        for _ in range(2):
            number = len(self.journal.answers)
            answer = Answer(
                number=number,
                token=f"s{self.program.seed}a{number}",
                form="service",
                person=self.dice.choice(self.journal.people),
                how="import",
            )
            self.journal.answers.append(answer)
            mood = self.dice.choice(("unhappy", "happy"))
            self.version(answer, mood, START - timedelta(days=self.dice.randint(20, 200)))
        self.happen(self.moment(), "import")

    def erase(self) -> None:
        """Somebody is erased, and what they said comes again."""
        at, number = self.moment() + timedelta(minutes=3), self.dice.randrange(len(self.journal.people))
        self.happen(at, "erase", number=number)
        again = at + timedelta(minutes=9)
        for answer in self.journal.answers:
            if answer.person is not self.journal.people[number] or answer.how not in {"hook", "both"}:
                continue
            said = answer.newest([one.number for one in answer.versions if one.at < again])
            if said is not None:
                self.happen(again, "hook", answer=answer, version=said, envelope=7)
