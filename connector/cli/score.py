"""`connector score`: what a person's health score is made of, today or on any date, and how it came about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer

from connector.cli.moments import end
from connector.cli.output import LARGEST, AsJson, ConfigPath, console, print_json, print_pairs, print_table
from connector.cli.person import WHO, known_as
from connector.clock import running_clock
from connector.errors import ConnectorError
from connector.sync.companies import Company, roll_up
from connector.sync.questioned import Questioned, question
from connector.wiring.opening import load_config, open_store
from connector.wiring.settings import settings_at_rest


def score(
    person: Annotated[str | None, typer.Argument(help=WHO)] = None,
    company: Annotated[
        str | None, typer.Option(help="Instead, the persons of this company, by its id in the CRM, rolled up.")
    ] = None,
    as_of: Annotated[
        str | None, typer.Option("--as-of", help="From what was known at the end of this day, e.g. 2026-11-01.")
    ] = None,
    last: Annotated[int, typer.Option(min=0, max=LARGEST, help="So many evaluations of its history.")] = 10,
    config: ConfigPath = "connector.yaml",
    as_json: AsJson = False,
) -> None:
    """Say what a person's health score is, which facts it rests on, what is missing, and what it was before."""
    loaded, clock = load_config(config), running_clock()
    settings = settings_at_rest(loaded, clock)
    policy = settings.score
    if (person is None) == (company is None):
        raise typer.BadParameter("say who: a PERSON, or --company with its id")
    if policy is None:
        raise ConnectorError("the configuration has no health_score: nobody is scored")
    moment = None if as_of is None else end(as_of, loaded.config.time_zone, "--as-of")
    with open_store(loaded.config, clock).read() as tx:
        if person is None:
            companies = roll_up(tx, company or "", settings, tx.now if moment is None else min(moment, tx.now))
            _show_companies(companies, company or "", as_json=as_json)
            return
        persons = known_as(tx, person).persons
        if not persons:
            raise ConnectorError("who gave that answer is not known: nobody is scored for it")
        told = question(tx, persons[0], policy, tx.now if moment is None else min(moment, tx.now), most=last)
    if as_json:
        print_json(asdict(told))
    else:
        show(told)


def show(told: Questioned) -> None:
    """Print it for people."""
    out = console()
    out.print(f"Person {told.person}: {_score(told.points, told.band)}, on {told.as_of:%Y-%m-%d %H:%M}Z", style="bold")
    out.print(f"  {told.reason}", markup=False)
    out.print(f"  {told.coverage:.0%} of the weight has data; {told.needed:.0%} is needed.", markup=False)
    if told.recorded is not None:
        recorded = _score(told.recorded.points, told.recorded.band)
        out.print(f"  Computed by then: {recorded}, on {told.recorded.as_of:%Y-%m-%d %H:%M}Z.", markup=False)
    out.print()
    rows = [
        (one.name, f"{one.share:.0%}", _number(one.value), _number(one.points), len(one.facts))
        for one in told.components
    ]
    print_table("What it is made of", ["component", "weight", "value", "adds", "facts"], rows)
    facts = [
        (component.name, f"{one.what}", one.at, _number(one.value), f"{one.counts:.0%}")
        for component in told.components
        for one in component.facts
    ]
    if facts:
        print_table("Facts", ["component", "what", "when", "value", "counts"], facts)
    print_pairs("What is missing", {one.name: one.missing for one in told.components if one.missing is not None})
    past = [
        (one.as_of, _number(one.points), one.band, f"{one.coverage:.0%}", _signed(one.trend)) for one in told.history
    ]
    if past:
        out.print()
        print_table("History", ["as of", "score", "band", "coverage", "in 30 days"], past)


def _show_companies(found: Sequence[Company], asked: str, *, as_json: bool) -> None:
    if not found:
        raise ConnectorError(
            f"nobody is known to be of the company {asked}: `health_score.companies` says where contacts hold its id"
        )
    if as_json:
        print_json([asdict(one) for one in found])
        return
    out = console()
    for one in found:
        known = sum(member.points is not None for member in one.members)
        head = f"Company {one.company} in {one.account}: {_score(one.points, one.band)}, on {one.as_of:%Y-%m-%d %H:%M}Z"
        out.print(head, style="bold", markup=False)
        out.print(f"  {known} of {len(one.members)} persons have a score; each counts by its coverage.", markup=False)
        out.print()
        rows = [
            (member.person, member.contact, _number(member.points), member.band, f"{member.coverage:.0%}")
            for member in one.members
        ]
        print_table("Persons", ["person", "contact", "score", "band", "coverage"], rows)


def _score(points: float | None, band: str | None) -> str:
    return "no score" if points is None else f"{points:g}, {band}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:g}"


def _signed(value: float | None) -> str:
    return "-" if value is None else f"{value:+g}"
