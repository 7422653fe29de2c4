"""What a program does and when, drawn from its seed alone."""

from __future__ import annotations

import random
from datetime import timedelta

from tests.chaos.besides import draw_extras, extras_of
from tests.chaos.drawing import Drawer, Program
from tests.chaos.issued import Journal, Person
from tests.chaos.world import Vendors

FIRST = ("Ada", "Ben", "Cleo", "Dario", "Elif", "Finn", "Greta", "Hugo")
LAST = ("Abend", "Castro", "Dorn", "Engel", "Quast", "Gruber", "Hoyos", "Jansen")


def make(seed: int) -> Program:
    """The program of a seed."""
    dice = random.Random(seed)
    crm = dice.choice(("salesforce", "salesforce", "hubspot"))
    mode = "observe" if dice.random() < 0.04 else "live"
    vendors = Vendors(
        crm=crm,
        task_key=dice.random() < 0.75,
        duplicate_rule=dice.random() < 0.2,
        lookup_lag=timedelta(seconds=dice.choice((0, 0, 0, 20, 28))),
        history_lag=timedelta(seconds=dice.choice((0, 0, 4))),
        custom_statuses=dice.random() < 0.8,
        extras=extras_of(seed),
    )
    journal = Journal(seed=seed, crm=crm, mode=mode)
    program = Program(
        seed=seed,
        vendors=vendors,
        mode=mode,
        kills=_steps(dice, 450),
        pauses=_steps(dice, 1500),
        few_tickets=dice.random() < 0.25,
        journal=journal,
    )
    journal.people += [_person(number, dice) for number in range(dice.randint(2, 4))]
    length = timedelta(minutes=dice.choice((20, 60, 240)))
    drawer = Drawer(program, dice, length)
    for _ in range(dice.randint(4, 7)):
        drawer.answer()
    drawer.certain()
    for _ in range(dice.randint(4, 10)):
        drawer.fault()
    for draw, chance in (
        (drawer.flip, 0.2),
        (drawer.forged, 0.5),
        (drawer.broken, 0.3),
        (drawer.expire, 0.5),
        (drawer.solve, 0.4),
        (drawer.human_edit, 0.5),
        (drawer.delete_ticket, 0.1),
        (drawer.reload, 0.35),
        (drawer.outage, 0.3),
        (drawer.skew, 0.3),
        (drawer.restore, 0.08),
        (drawer.imported, 0.25),
        (drawer.erase, 0.12),
        (drawer.merge, 0.1),
        (drawer.delete_contact, 0.06),
        (drawer.doom, 0.3),
        (drawer.lost_creates, 0.5),
        (drawer.lost_job, 0.3),
        (drawer.crowd, 0.25),
        (drawer.second_thoughts, 0.2),
        (drawer.late_listing, 0.2),
    ):
        if dice.random() < chance:
            draw()
    draw_extras(program, length)
    program.happenings.sort(key=lambda one: (one.at, one.what != "doom"))
    return program


def _steps(dice: random.Random, mean: int) -> list[int]:
    at, found = 0, list[int]()
    while at < 6000 and len(found) < 6:
        at += 1 + int(dice.expovariate(1 / mean))
        found.append(at)
    return found


def _person(number: int, dice: random.Random) -> Person:
    name = f"{FIRST[number]} {LAST[number]}"
    return Person(
        number=number,
        name=name,
        email=f"{FIRST[number]}.{LAST[number]}@example.com".lower(),
        contact="?" if dice.random() < 0.5 else None,
        serviced="2026-09-01" if dice.random() < 0.5 else None,
        ticket=0 if dice.random() < 0.3 else None,
    )
