"""`connector match`: who waits for somebody to say which contact they are, saying it, and how well matching works."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated

import typer

from connector.cli.output import LARGEST, AsJson, ConfigPath, console, print_json, print_pairs, print_table
from connector.clock import running_clock
from connector.config import Loaded
from connector.domain.anonymity import counts_of_many
from connector.domain.matching.ladder import LABELS
from connector.domain.model.person import Link
from connector.errors import ConnectorError
from connector.store import contacts, links, people
from connector.store.database import Database, Transaction
from connector.sync import choosing, hit_rates
from connector.sync.hit_rates import Outcome, Rates
from connector.sync.identify import BY_OPERATOR
from connector.sync.settings import DecideSettings
from connector.wiring.opening import load_config, open_store
from connector.wiring.settings import settings_at_rest

app = typer.Typer(help="Which contact a person is.", no_args_is_help=True)
Person = Annotated[int, typer.Argument(min=1, max=LARGEST, help="The person, by number: see `connector match list`.")]
Account = Annotated[str | None, typer.Option(help="The CRM's account, e.g. salesforce:acme; needed with several.")]


@app.command("list")
def list_held(
    account: Annotated[str | None, typer.Option(help="Only those of this account, e.g. salesforce:acme.")] = None,
    show: Annotated[bool, typer.Option("--show", help="With the names of persons and contacts.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=LARGEST, help="At most so many.")] = 50,
    config: ConfigPath = "connector.yaml",
    as_json: AsJson = False,
) -> None:
    """Show the persons whose contact somebody has to choose, with the candidates and what speaks for each."""
    with _open(config)[1].read() as tx:
        waiting = [
            _shown(tx, person_id, link, show=show) for person_id, link in links.list_held(tx, account, limit=limit)
        ]
    if as_json:
        print_json(waiting)
        return
    if not waiting:
        console().print("Nobody waits for a choice.")
        return
    for one in waiting:
        _print(one)
    console().print(
        "\n`connector match link PERSON CONTACT` says who it is, `connector match ignore PERSON` that it is none."
    )


@app.command("link")
def link(
    person: Person,
    contact: Annotated[str, typer.Argument(help="The contact's id in the CRM.")],
    account: Account = None,
    config: ConfigPath = "connector.yaml",
) -> None:
    """Say which contact a person is, or that an earlier link was wrong; what waited for it is written."""
    loaded, db, settings = _open(config)
    where = _account(settings, account)
    with db.write() as tx:
        person_id = _person(tx, person)
        reached, chosen = choosing.choose(tx, person_id, where, contact, BY_OPERATOR, settings)
    joined = "" if reached == person else f", joined with person {reached}, who was linked to it before"
    console().print(f"Person {person} is contact {chosen} of {where}{joined}.", markup=False)
    _observing(loaded)


@app.command("ignore")
def ignore(person: Person, account: Account = None, config: ConfigPath = "connector.yaml") -> None:
    """Say that a person is none of the candidates; `match.missing` decides whether a contact is made."""
    loaded, db, settings = _open(config)
    where = _account(settings, account)
    with db.write() as tx:
        makes = choosing.ignore(tx, _person(tx, person), where, settings)
    what = "a new contact will be made" if makes else "nothing is written about them there"
    console().print(f"Person {person} is none of the contacts that {where} has: {what}.", markup=False)
    _observing(loaded)


@app.command("report")
def report(
    limit: Annotated[
        int, typer.Option(min=1, max=LARGEST, help="Look up at most so many answers, newest first.")
    ] = 2000,
    config: ConfigPath = "connector.yaml",
    as_json: AsJson = False,
) -> None:
    """Say how many answers find one contact, none or several, by key and by survey. Works before going live."""
    loaded, db, settings = _open(config)
    with db.read() as tx:
        found = hit_rates.report(tx, settings, limit=limit)
    sources = {name: survey.source for name, survey in loaded.config.surveys.items()}
    minimum_n = loaded.config.privacy.minimum_n
    if as_json:
        print_json(_document(found, sources, minimum_n))
        return
    for where, number in sorted(found.contacts.items()):
        rest = "" if found.whole[where] else "; they are still being read, so figures will rise"
        console().print(f"{where}: {number} contacts{rest}.", markup=False)
    if not found.rates:
        console().print("No answer was recorded yet." if settings.crms() else "No CRM is configured.")
        return
    for (where, survey), rates in sorted(found.rates.items()):
        _print_rates(f"{_survey(survey, sources)} in {where}", rates, minimum_n)
    if settings.fuzzy.do.value != "link":
        console().print(
            "“Certainly like one” would be linked by `match: {fuzzy: {do: link}}`; now somebody is asked.", markup=False
        )


_WORDS: Mapping[Outcome, str] = {
    Outcome.ONE: "one contact by a key",
    Outcome.SEVERAL: "several by a key",
    Outcome.ALIKE: "certainly like one",
    Outcome.SUGGESTED: "like some",
    Outcome.NONE: "nobody",
    Outcome.ANONYMOUS: "anonymous",
}
_KEYED = (Outcome.ONE, Outcome.NONE, Outcome.SEVERAL)


def _open(config: str) -> tuple[Loaded, Database, DecideSettings]:
    loaded, clock = load_config(config), running_clock()
    return loaded, open_store(loaded.config, clock), settings_at_rest(loaded, clock)


def _account(settings: DecideSettings, account: str | None) -> str:
    known = [target.account for target in settings.crms()]
    if account is None and len(known) == 1:
        return known[0]
    if account in known:
        return str(account)
    if not known:
        raise ConnectorError("no CRM is configured: there are no contacts to choose from")
    said = "say which CRM is meant" if account is None else f"{account} is no configured CRM"
    raise ConnectorError(f"{said}: --account {' or '.join(known)}")


def _person(tx: Transaction, number: int) -> int:
    if not people.exists(tx, number):
        raise ConnectorError(f"there is no person {number}; `connector match list` shows who waits")
    return people.survivor(tx, number)


def _observing(loaded: Loaded) -> None:
    if loaded.config.mode != "live":
        console().print("Mode observe: what follows from it is planned and held, nothing is written.")


def _shown(tx: Transaction, person_id: int, link: Link, *, show: bool) -> dict[str, object]:
    """One person and their candidates; names are personal data and only there on demand."""
    like = {one.contact_id: one for one in link.evidence.suggestions}
    seen = {one: contacts.get(tx, link.account, one) for one in link.candidates}
    shown: dict[str, object] = {"person": person_id, "account": link.account}
    if show:
        shown["name"] = people.details(tx, person_id).name
    shown["candidates"] = [
        {
            "contact": one,
            "certainty": None if one not in like else like[one].certainty,
            "why": f"same {link.evidence.decided_by}" if one not in like else like[one].why,
            "url": None if known is None else known.url,
            **({"name": None if known is None else known.name} if show else {}),
        }
        for one, known in seen.items()
    ]
    return shown


def _print(one: Mapping[str, object]) -> None:
    candidates = one["candidates"]
    assert isinstance(candidates, list)
    name = f" ({one['name']})" if one.get("name") else ""
    columns = ["contact", "certainty", "why", "url"]
    if "name" in one:
        columns.insert(1, "name")
    rows = [[candidate[column] for column in columns] for candidate in candidates]
    title = f"Person {one['person']}{name} in {one['account']}"
    if rows:
        print_table(title, columns, rows)
    else:
        console().print(f"\n{title}: no candidates, `match.missing` is hold", markup=False)


def _print_rates(title: str, rates: Rates, minimum_n: int) -> None:
    answers = counts_of_many(rates.answers, minimum_n)
    if answers is None:
        console().print(f"\n{title}: fewer than {minimum_n} answers, `privacy.minimum_n` hides them", markup=False)
        return
    total = sum(answers.values())
    shares = {words: _share(answers[each], total) for each, words in _WORDS.items() if answers.get(each)}
    print_pairs(f"{title}: {total} answers", shares)
    rows = [(LABELS[kind], *_row(counts, minimum_n)) for kind, counts in sorted(rates.keys.items())]
    print_table("", ["key", "offered", "one contact", "none", "several"], rows)


def _row(counts: Mapping[Outcome, int], minimum_n: int) -> Sequence[object]:
    shown = counts_of_many(counts, minimum_n)
    if shown is None:
        return (f"fewer than {minimum_n}", *[""] * len(_KEYED))
    total = sum(shown.values())
    return (total, *(_share(shown.get(each, 0), total) for each in _KEYED))


def _survey(name: str, sources: Mapping[str, str]) -> str:
    return f"{name} ({sources[name]})" if name in sources else name


def _share(number: int, total: int) -> str:
    return f"{number} ({100 * number / total:.0f} %)" if number else "0"


def _document(found: hit_rates.Report, sources: Mapping[str, str], minimum_n: int) -> dict[str, object]:
    """Counts as they are printed; null stands for a group smaller than `minimum_n`."""

    def counts_of(counts: Mapping[Outcome, int], outcomes: Iterable[Outcome]) -> dict[str, int] | None:
        shown = counts_of_many(counts, minimum_n)
        return None if shown is None else {each.value: shown.get(each, 0) for each in outcomes}

    def rates_of(rates: Rates) -> dict[str, object]:
        answers = counts_of(rates.answers, Outcome)
        keys = {} if answers is None else rates.keys
        return {
            "answers": answers,
            "keys": {kind.value: counts_of(counts, _KEYED) for kind, counts in sorted(keys.items())},
        }

    return {
        "looked_at": found.looked_at,
        "minimum_n": minimum_n,
        "contacts": dict(found.contacts),
        "whole": dict(found.whole),
        "rates": [
            {"account": where, "survey": survey, "connection": sources.get(survey), **rates_of(rates)}
            for (where, survey), rates in sorted(found.rates.items())
        ],
    }
