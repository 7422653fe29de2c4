"""Erasing a person in Salesforce: records are overwritten, then deleted.

REST cannot empty the recycle bin (only SOAP and Apex can): what lies there for fifteen days must not say anything, so
every field that can be cleared is cleared first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from simple_salesforce.format import format_soql

from connector.adapters.salesforce.names import API, BATCH, TASKS
from connector.adapters.salesforce.readiness import Fields
from connector.adapters.salesforce.replies import meaning
from connector.adapters.salesforce.writes import COLLECTIONS
from connector.domain.model.intent import Json
from connector.errors import Gone, InDoubt, Rejected, RemoteError
from connector.ports.erasing import Erased, Fate, Subject
from connector.transport.client import Api, Reply
from connector.transport.shapes import expecting

RESIDUAL = (
    "The recycle bin keeps overwritten records for 15 days. Contacts that lost a merge before, field history, e-mail "
    "and file records, and the org's own backups are not reached."
)
_TELLING = frozenset(
    {
        "combobox",
        "currency",
        "date",
        "datetime",
        "double",
        "email",
        "encryptedstring",
        "int",
        "percent",
        "phone",
        "string",
        "textarea",
        "url",
    }
)
"""Types of fields that may say something about a person; picklists, check boxes and references do not."""
_NAMELESS: Mapping[str, Mapping[str, Json]] = {"Contact": {"LastName": "Erased"}, "Task": {"Subject": "Erased"}}
_OURS = "CSAT_"

Query = Callable[[str], list[dict[str, Any]]]


def erase(api: Api, query: Query, fields: Callable[[str], Fields], now: datetime, subject: Subject) -> Sequence[Erased]:
    """Everything the org holds of `subject`. Raises RemoteError."""
    contacts = _contacts(query, subject)
    tasks = [one for kind in sorted(TASKS) for one in subject.records.get(kind, ())]
    if not subject.keep_contacts:
        tasks += _tasks_of(query, contacts)
    told = _forget(api, "Task", list(dict.fromkeys(tasks)), _blank("Task", fields("Task")), now)
    described = fields("Contact")
    if subject.keep_contacts:
        ours: dict[str, Json] = {name: None for name in _clearable(described) if name.startswith(_OURS)}
        cleared = _each(api, "PATCH", "Contact", contacts, ours, now) if ours else {}
        return [*told, *(_stayed(one, cleared.get(one)) for one in contacts)]
    return [*told, *_forget(api, "Contact", contacts, _blank("Contact", described), now)]


def _contacts(query: Query, subject: Subject) -> list[str]:
    found = list(subject.contacts)
    if subject.emails:
        soql = format_soql("SELECT Id FROM Contact WHERE Email IN {}", list(subject.emails))
        found += [str(row["Id"]) for row in query(soql)]
    return list(dict.fromkeys(found))


def _tasks_of(query: Query, contacts: Sequence[str]) -> list[str]:
    found: list[str] = []
    for some in _pieces(contacts):
        found += [str(row["Id"]) for row in query(format_soql("SELECT Id FROM Task WHERE WhoId IN {}", list(some)))]
    return found


def _clearable(described: Fields) -> Iterator[str]:
    for name, field in described.items():
        if field.get("updateable") and field.get("nillable") and field.get("type") in _TELLING:
            yield name


def _blank(name: str, described: Fields) -> dict[str, Json]:
    return {**dict.fromkeys(_clearable(described)), **_NAMELESS[name]}


def _forget(api: Api, name: str, ids: Sequence[str], blank: Mapping[str, Json], now: datetime) -> list[Erased]:
    """Overwrite and delete records; what is gone already counts as erased."""
    overwritten = _each(api, "PATCH", name, ids, blank, now)
    left = [one for one in ids if not isinstance(overwritten[one], Gone)]
    deleted = {**overwritten, **_each(api, "DELETE", name, left, {}, now)}
    return [_told(name, one, overwritten[one], deleted[one]) for one in ids]


def _told(name: str, one: str, overwritten: RemoteError | str, deleted: RemoteError | str) -> Erased:
    what = f"{name.lower()} {one}"
    if isinstance(deleted, Rejected):
        fate = Fate.KEPT if isinstance(overwritten, Rejected) else Fate.ANONYMISED
        why = "Salesforce refused to delete it" + ("" if fate is Fate.KEPT else "; it was overwritten")
        return Erased(object=what, fate=fate, why=why, request_id=deleted.request_id)
    request_id = deleted if isinstance(deleted, str) else deleted.request_id
    why = "it could not be overwritten first: readable in the recycle bin for 15 days"
    return Erased(
        object=what,
        fate=Fate.ERASED,
        why=why if isinstance(overwritten, Rejected) else "",
        request_id=request_id,
    )


def _stayed(one: str, cleared: RemoteError | str | None) -> Erased:
    if cleared is None or isinstance(cleared, RemoteError):
        return Erased(object=f"contact {one}", fate=Fate.KEPT, why="the company's own record was to stay")
    why = "the company's own record was to stay; our fields were cleared"
    return Erased(object=f"contact {one}", fate=Fate.KEPT, why=why, request_id=cleared)


def _each(
    api: Api, method: str, name: str, ids: Sequence[str], values: Mapping[str, Json], now: datetime
) -> dict[str, RemoteError | str]:
    """Change or delete records, 200 a call: for each the request's id, or why it will never work (Rejected, Gone).

    Raises RemoteError for what will work another time.
    """
    outcome: dict[str, RemoteError | str] = {}
    for some in _pieces(ids):
        if method == "DELETE":
            params = {"ids": ",".join(some), "allOrNone": "false"}
            reply = api.call(method, COLLECTIONS, params=params, endpoint_class=API, write=True)
        else:
            rows: list[Json] = [{"attributes": {"type": name}, "id": one, **values} for one in some]
            body: Json = {"allOrNone": False, "records": rows}
            reply = api.call(method, COLLECTIONS, json=body, endpoint_class=API, write=True)
        with expecting("what became of the records", InDoubt, **reply.context()):
            outcome |= dict(_read(reply, some, now))
    return outcome


def _read(reply: Reply, some: Sequence[str], now: datetime) -> Iterator[tuple[str, RemoteError | str]]:
    answer = reply.json()
    if not isinstance(answer, list) or len(answer) != len(some):
        raise InDoubt(f"the answer does not cover the {len(some)} records", **reply.context())
    for one, row in zip(some, answer, strict=True):
        if isinstance(row, dict) and row.get("success"):
            yield one, reply.request_id
            continue
        errors = row.get("errors") if isinstance(row, dict) else None
        error = meaning(errors[0] if isinstance(errors, list) and isinstance(errors[0], dict) else {}, now)
        error.connection, error.operation = reply.connection, reply.operation
        error.status, error.request_id = reply.status, reply.request_id
        if not isinstance(error, Gone | Rejected):
            raise error
        yield one, error


def _pieces(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), BATCH):
        yield ids[start : start + BATCH]
