"""What two programs in five do besides: a tracker, messages to customers, the survey that follows a recovery.

In one of four people are not to be disturbed for a while.

Drawn from dice of its own, so that a seed without any of it is the program it always was.
"""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta

from connector.simulator.parts import Fault
from tests.chaos.configuration import Extras
from tests.chaos.drawing import Drawer, Program
from tests.chaos.faults import LOST, MATCHES, drawn, fault_at
from tests.chaos.world import START

NIGHTS = ("", "", "", "10:20-10:50")


def _dice(seed: int, what: str) -> random.Random:
    return random.Random(f"{seed} {what}")


def extras_of(seed: int) -> Extras:
    """What a program has besides the example configuration."""
    dice = _dice(seed, "extras")
    has_tracker, how_far = dice.random() < 0.4, dice.random()
    return Extras(
        tracker=dice.choice(("github", "jira")) if has_tracker else "",
        lag=timedelta(seconds=dice.choice((0, 0, 3, 4))),
        mail=how_far < 0.5,
        follow_up=how_far < 0.4,
        night=dice.choice(("10:20-10:50", "11:30-12:10", "10:05-10:15"))
        if how_far < 0.5 and dice.random() < 0.25
        else "",
        quiet=_quiet(_dice(seed, "quiet")),
    )


def _quiet(dice: random.Random) -> str:
    return dice.choice(("10:10-11:20", "10:20-11:40", "10:02-10:40")) if dice.random() < 0.25 else ""


def draw_extras(program: Program, length: timedelta) -> None:
    """Draw what happens with them into a program that has them."""
    extras = program.vendors.extras
    journal = program.journal
    journal.tracker, journal.mails, journal.night = extras.tracker, extras.mail, extras.night
    journal.quiet = extras.quiet
    drawer = Drawer(program, _dice(program.seed, "besides"), length)
    if extras.tracker:
        _issues(drawer, extras.tracker)
    if extras.follow_up:
        _follow_ups(drawer)
    if extras.mail:
        _messages(drawer)


def _issues(drawer: Drawer, tracker: str) -> None:
    """Several are unhappy about one thing; somebody closes the issue, it comes back; the wire of the tracker fails."""
    dice, people = drawer.dice, drawer.journal.people
    mood = dice.choice(("unhappy", "unhappy", "danger"))
    for person in [*dice.sample(people, 2), dice.choice(people)]:
        drawer.answer(mood=mood, person=person)
    if dice.random() < 0.5:
        closed = drawer.moment() + timedelta(minutes=15)
        drawer.happen(closed, "close_issue", number=dice.randrange(100))
        for person in [*dice.sample(people, 2), people[0]] if dice.random() < 0.6 else []:
            drawer.answer(mood=mood, person=person, at=closed + timedelta(minutes=dice.choice((1, 30, 31, 40))))
    if dice.random() < 0.08:
        drawer.happen(drawer.moment() + timedelta(minutes=20), "delete_issue", number=dice.randrange(100))
    lost = Fault(match=MATCHES[tracker][0], kind=dice.choice(LOST), after=0)
    drawer.happen(START, "fault", site=tracker, fault=replace(drawn(dice, tracker, lost.match, lost.kind), after=0))
    for _ in range(dice.randint(1, 4)):
        drawer.happen(drawer.moment(), "fault", site=tracker, fault=fault_at(dice, tracker))
    for answer in drawer.journal.answers:
        answer.is_quotable = True


def _follow_ups(drawer: Drawer) -> None:
    """Tickets are solved, and who is asked how it went says so: once, again, and otherwise."""
    dice = drawer.dice
    for _ in range(dice.randint(2, 3)):
        solved = drawer.moment() + timedelta(minutes=5)
        drawer.happen(solved, "solve", number=dice.randrange(100))
        replied = solved + timedelta(minutes=dice.choice((12, 25, 50)))
        drawer.happen(replied, "reply", number=dice.randrange(100))
        if dice.random() < 0.35:
            drawer.happen(replied + timedelta(minutes=dice.choice((1, 20))), "think_again", number=dice.randrange(100))
        if dice.random() < 0.35:
            drawer.happen(replied + timedelta(minutes=dice.choice((2, 15))), "reply_again", number=dice.randrange(100))
    if dice.random() < 0.3:
        drawer.happen(replied + timedelta(minutes=30), "solve", number=dice.randrange(100))


def _messages(drawer: Drawer) -> None:
    """Most agree to be written to, some do not, some change their mind, or opt out while a message waits; the mail
    server fails in all its ways.
    """
    dice, journal = drawer.dice, drawer.journal
    for answer in journal.answers:
        said = dice.choices((True, False, None), (75, 12, 13))[0]
        for version in answer.versions if answer.form == "service" and answer.how != "import" else []:
            if said is not None:
                answer.consents[version.number] = said
            if said and dice.random() < 0.12:
                said = False
    if dice.random() < 0.25:
        _opt_out(drawer)
    for _ in range(dice.randint(1, 4)):
        drawer.happen(drawer.moment(), "fault", site="smtp", fault=fault_at(dice, "smtp"))
    if dice.random() < 0.5:
        drawer.happen(START, "fault", site="smtp", fault=drawn(dice, "smtp", "MAIL *", dice.choice(LOST)))


def _opt_out(drawer: Drawer) -> None:
    """Somebody opts out while an offer to them waits, or whenever else."""
    dice = drawer.dice
    told = [
        (one.at, one.answer.person, bool(one.answer.consents.get(one.version.number)) and one.version.mood == "danger")
        for one in drawer.program.happenings
        if one.what == "hook" and one.answer and one.answer.person and one.version
    ]
    at, person, _ = dice.choice([one for one in told if one[2]] or told)
    drawer.happen(at + timedelta(seconds=dice.choice((40, 70, 90, 400))), "opt_out", number=person.number)
