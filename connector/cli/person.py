"""`connector person`: what is held of somebody, giving it to them, and erasing them, here and in other systems."""

from __future__ import annotations

import json
import os
from typing import Annotated, Any, Final, cast

import typer

from connector.cli.output import AsJson, ConfigPath, console, print_json, print_table
from connector.clock import running_clock
from connector.domain.matching.canonical import canonical_email, canonical_id, canonical_phone
from connector.domain.model.person import KeyKind
from connector.errors import ConnectorError, RemoteError
from connector.store import consent, erasures, links, people, responses, subjects, tombstones
from connector.store.database import Database, Transaction
from connector.store.erasures import Erasure, State
from connector.store.exporting import export
from connector.store.subjects import Known
from connector.wiring.erasing import Errand
from connector.wiring.opening import load_config, open_store

app = typer.Typer(help="What is held of a person: find it, give it to them, erase it.", no_args_is_help=True)
WHO: Final = "An e-mail address, a phone number (+49…), a person's number, the id of their contact or of an answer."
Who = Annotated[str, typer.Argument(help=WHO)]
WAITS = 600.0
NOBODY = "nothing is held of anybody by that name: give an e-mail address, a number or an id"


@app.command("find")
def find(who: Who, config: ConfigPath = "connector.yaml", as_json: AsJson = False) -> None:
    """Say what is held of somebody: numbers and ids, nothing they said."""
    with _store(config).read() as tx:
        known = known_as(tx, who)
        found = _counted(tx, known)
    if as_json:
        print_json(found)
        return
    print_table("Held here", ["what", "how many"], [(name, number) for name, number in found["counts"].items()])
    rows = [(one["account"], one["state"], one["contact"]) for one in found["links"]]
    if rows:
        print_table("Who they are elsewhere", ["account", "state", "contact"], rows)
    console().print(f"Person {', '.join(map(str, known.persons)) or 'unknown'}.", markup=False)


@app.command("export")
def export_person(
    who: Who,
    out: Annotated[str | None, typer.Option(help="Write to this new file, readable by you alone.")] = None,
    config: ConfigPath = "connector.yaml",
) -> None:
    """Print everything held of somebody as one JSON document: for themselves, nobody else."""
    with _store(config).read() as tx:
        document = export(tx, known_as(tx, who))
    if out is None:
        print_json(document)
        return
    _write(out, document)
    console().print(f"Written to {out}.", markup=False)


@app.command("erase")
def erase(
    who: Who,
    dry_run: Annotated[bool, typer.Option(help="Only list what would be erased; nothing changes anywhere.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask. It cannot be undone.")] = False,
    keep_contacts: Annotated[
        bool, typer.Option(help="Leave the company's own records: CRM contacts, helpdesk users and their tickets.")
    ] = False,
    skip: Annotated[
        list[str] | None, typer.Option(help="Do not wait for this account; the certificate lists what it keeps.")
    ] = None,
    out: Annotated[str | None, typer.Option(help="Write the certificate to this new file, too.")] = None,
    wait: Annotated[float, typer.Option(min=1, help="Seconds to wait; the daemon goes on after that.")] = WAITS,
    config: ConfigPath = "connector.yaml",
    as_json: AsJson = False,
) -> None:
    """Erase somebody here and in every connected system, and print the certificate. Run it again to go on."""
    loaded, clock = load_config(config), running_clock()
    db = open_store(loaded.config, clock)
    with db.read() as tx:
        begun, done = _begun(tx, who), None
        known = begun.known if begun is not None else _find(tx, who)
        if known is None:
            done = _done(tx, who)
        if known is None and done is None:
            known = _forgotten(tx, who)
        plan = {} if known is None else _plan(tx, known, keep_contacts=keep_contacts)
    if dry_run:
        _show_plan(plan, as_json=as_json)
        return
    if done is None and known is not None:
        if begun is None and not yes:
            _show_plan(plan, as_json=False)
            typer.confirm("Erase all of it? It cannot be undone.", abort=True, err=True)
        number = _begin(db, known, keep_contacts=keep_contacts) if begun is None else begun.id
        errand = Errand(loaded, db, db.clock, skip=frozenset(skip or ()))
        done = errand.run(number, seconds=wait, say=lambda text: _say(text, quiet=as_json))
    assert done is not None
    if done.state is not State.DONE:
        raise RemoteError(
            f"erasure {done.id} is under way, nothing of them is taken in or planned any more; it waits for "
            f"{done.waits_for or done.state.value}. The daemon goes on with it, or run this again"
        )
    if out is not None:
        _write(out, done.certificate)
    if as_json:
        print_json(done.certificate)
    else:
        _show_certificate(cast("dict[str, Any]", done.certificate))


def _begin(db: Database, known: Known, *, keep_contacts: bool) -> int:
    with db.write() as tx:
        return erasures.begin(tx, known, keep_contacts=keep_contacts)


@app.command("opt-out")
def opt_out(
    email: Annotated[str, typer.Argument(help="An e-mail address.")], config: ConfigPath = "connector.yaml"
) -> None:
    """Send no message to an address any more, whoever it belongs to; tickets, tasks and surveys are not messages."""
    with _store(config).write() as tx:
        is_news = consent.opt_out(tx, _address(email))
    console().print("No message goes there any more." if is_news else "It was on the list already.", markup=False)


@app.command("opt-in")
def opt_in(
    email: Annotated[str, typer.Argument(help="An e-mail address.")], config: ConfigPath = "connector.yaml"
) -> None:
    """Take an address off that list. Messages go to who agrees, then: it says nothing about consent."""
    with _store(config).write() as tx:
        is_news = consent.opt_in(tx, _address(email))
    console().print("Messages may go there again." if is_news else "It was not on the list.", markup=False)


def _address(text: str) -> str:
    email = canonical_email(text)
    if email is None:
        raise ConnectorError("that is no e-mail address")
    return email


@app.command("erasures")
def list_erasures(config: ConfigPath = "connector.yaml", as_json: AsJson = False) -> None:
    """List erasures, newest first: what each waits for, or when it was done."""
    with _store(config).read() as tx:
        found = erasures.listed(tx)
    if as_json:
        names = ("id", "state", "cause", "requested_at", "done_at", "waits_for", "certificate")
        print_json([{name: getattr(one, name) for name in names} for one in found])
        return
    if not found:
        console().print("Nobody was erased.")
        return
    rows = [(one.id, one.state, one.cause, one.requested_at, one.done_at or one.waits_for) for one in found]
    print_table("Erasures", ["id", "state", "cause", "requested", "done, or waits for"], rows)


def _write(path: str, document: object) -> None:
    """A new file only its owner may read."""
    with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
        json.dump(document, file, ensure_ascii=False, indent=2)


def _say(text: str, *, quiet: bool) -> None:
    if not quiet:
        console().print(f"Waits for {text}.", markup=False)


def known_as(tx: Transaction, who: str) -> Known:
    """Whom a command names. Raises ConnectorError for nobody."""
    known = _find(tx, who)
    if known is None:
        raise ConnectorError(NOBODY)
    return known


def _find(tx: Transaction, who: str) -> Known | None:
    """Whom a text names; None for nobody, and for somebody of whom nothing is left."""
    known = _named(tx, who.strip())
    return None if known is None or subjects.is_nobody(tx, known) else known


def _forgotten(tx: Transaction, who: str) -> Known:
    """Whom this store was to erase before an older copy of it was put back: the tombstone stands, nothing else does.

    Other systems may not have been told. Raises ConnectorError for anybody else.
    """
    known = _named(tx, who.strip())
    if known is None or not tombstones.among(tx, subjects.blinds_of(tx, known)):
        raise ConnectorError(NOBODY)
    return known


def _named(tx: Transaction, who: str) -> Known | None:
    if "/" not in who and (email := canonical_email(who)):
        return subjects.of_address(tx, email=email)
    if who.isascii() and who.isdigit() and len(who) < 19 and people.exists(tx, int(who)):
        return subjects.of_person(tx, int(who))
    keys = responses.keys_like(tx, who)
    if len(keys) == 1 and (answer := responses.find(tx, keys[0])) is not None:
        return subjects.of_answer(tx, answer)
    by_contact = people.find(tx, KeyKind.CRM_ID, canonical_id(who) or "")
    if by_contact is not None:
        return subjects.of_person(tx, by_contact)
    phone = canonical_phone(who)
    return None if phone is None else subjects.of_address(tx, phone=phone)


def _names(who: str) -> set[str]:
    text = who.strip()
    return {name for name in (canonical_email(text), canonical_phone(text), text) if name}


def _begun(tx: Transaction, who: str) -> Erasure | None:
    """The erasure of this person that is under way."""
    for one in erasures.under_way(tx):
        known = one.known
        if _names(who) & {*known.emails, *known.phones, *known.keys, *map(str, known.persons)}:
            return one
    return None


def _done(tx: Transaction, who: str) -> Erasure | None:
    """The erasure that was done of somebody of whom nothing is held any more."""
    wanted = _names(who)
    return next((one for one in erasures.listed(tx) if any(erasures.names(one.subject, name) for name in wanted)), None)


def _counted(tx: Transaction, known: Known) -> dict[str, Any]:
    """Numbers and ids."""
    counts = {
        "answers": len(known.responses),
        "recoveries": len(known.recoveries),
        "contacts": len(known.contacts),
        "tickets of their own": len(known.own_tickets),
        "requests under way": sum(subjects.open_writes(tx, known).values()),
    }
    linked = [
        {"account": one.account, "state": one.state.value, "contact": one.remote_id}
        for person in known.persons
        for one in links.of_person(tx, person)
    ]
    return {"persons": list(known.persons), "answers": list(known.keys), "links": linked, "counts": counts}


def _plan(tx: Transaction, known: Known, *, keep_contacts: bool) -> dict[str, Any]:
    elsewhere = []
    for account, subject in subjects.accounts(tx, known).items():
        stays = "kept" if keep_contacts else "erased"
        elsewhere += [{"account": account, "object": f"contact {one}", "fate": stays} for one in subject.contacts]
        elsewhere += [{"account": account, "object": f"ticket {one}", "fate": stays} for one in subject.tickets]
        elsewhere += [
            {"account": account, "object": f"{kind.value} {one}", "fate": "erased"}
            for kind, ids in subject.records.items()
            for one in ids
        ]
        elsewhere += [
            {"account": account, "object": f"note on ticket {one}", "fate": "redacted"} for one, _ in subject.notes
        ]
    elsewhere += [{"account": key.split("/")[0], "object": f"answer {key}", "fate": "erased"} for key in known.keys]
    return {"here": _counted(tx, known)["counts"], "elsewhere": elsewhere}


def _show_plan(plan: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(plan)
        return
    print_table("Would be erased here", ["what", "how many"], list(plan["here"].items()))
    rows = [(one["account"], one["object"], one["fate"]) for one in plan["elsewhere"]]
    print_table("Elsewhere, as far as is known before asking there", ["account", "what", "fate"], rows)


def _show_certificate(told: dict[str, Any]) -> None:
    out = console()
    out.print(f"Certificate of erasure {told['erasure']}", style="bold", markup=False)
    out.print(f"Subject (salted digest): {told['subject']}", markup=False)
    out.print(f"Requested {told['requested_at']}, done {told['done_at']}.", markup=False)
    rows = [(one["account"], one["object"], one["fate"], one["request_id"], one["why"]) for one in told["elsewhere"]]
    print_table("Elsewhere", ["account", "what", "fate", "request", "why"], rows)
    print_table("Here, rows cleared", ["table", "rows"], [(name, n) for name, n in told["here"].items() if n])
    out.print("What no erasure covers", style="bold")
    for line in told["not_covered"]:
        out.print(f"  {line}", markup=False)


def _store(config: str) -> Database:
    return open_store(load_config(config).config, running_clock())
