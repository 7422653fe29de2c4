"""Erasing a person in HubSpot: contacts by its GDPR deletion; notes and tasks overwritten, then archived."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from connector.adapters.hubspot.names import BATCH, CONTACTS, DEFAULT, NOTES, OBJECTS, TASKS
from connector.domain.model.intent import Json, WriteKind
from connector.errors import Gone
from connector.ports.erasing import Erased, Fate, Subject
from connector.transport.client import Api

RESIDUAL = (
    "HubSpot keeps overwritten notes and tasks restorable for 90 days, bars the address from coming back, and takes up "
    "to 30 days to purge a contact; logged e-mails, calls and the account's own exports are not reached."
)
_BLANK: Mapping[str, Mapping[str, Json]] = {
    TASKS: {"hs_task_subject": "Erased", "hs_task_body": ""},
    NOTES: {"hs_note_body": "Erased"},
}
_KINDS: Mapping[str, WriteKind] = {TASKS: WriteKind.TASK, NOTES: WriteKind.ACTIVITY}
_OURS = "csat_"

Ids = Callable[[str, Sequence[str]], Sequence[str]]


def erase(
    api: Api, subject: Subject, contacts: Sequence[str], *, live: Ids, hanging: Ids, ours: Sequence[str]
) -> Sequence[Erased]:
    """Everything the account holds of `subject`. Raises RemoteError.

    Args:
        api: the account.
        subject: whom.
        contacts: their contacts, those found by address included.
        live: of some records of a kind, those that are there.
        hanging: records of a kind that hang on some contacts.
        ours: contact properties we write.
    """
    told: list[Erased] = []
    for name in (TASKS, NOTES):
        known = list(subject.records.get(_KINDS[name], ()))
        if not subject.keep_contacts:
            known += hanging(name, contacts)
        told += _forget(api, name, list(dict.fromkeys(known)), live)
    if not subject.keep_contacts:
        return [*told, *(_purged(api, one) for one in contacts)]
    there = live(CONTACTS, contacts)
    cleared = {name: "" for name in ours if name.startswith(_OURS)}
    request_id = _update(api, CONTACTS, there, cleared) if cleared else ""
    why = "the company's own record was to stay; our properties were cleared"
    stayed = [Erased(object=f"contact {one}", fate=Fate.KEPT, why=why, request_id=request_id) for one in there]
    return [*told, *stayed]


def _forget(api: Api, name: str, ids: Sequence[str], live: Ids) -> Iterator[Erased]:
    """Overwrite and archive; what is archived already is not there any more."""
    there = live(name, ids)
    _update(api, name, there, _BLANK[name])
    request_id = ""
    for some in _pieces(there):
        body: Json = {"inputs": [{"id": one} for one in some]}
        path = f"{OBJECTS}/{name}/batch/archive"
        request_id = api.call("POST", path, json=body, endpoint_class=DEFAULT, write=True).request_id
    for one in ids:
        yield Erased(object=f"{name.removesuffix('s')} {one}", fate=Fate.ERASED, request_id=request_id)


def _update(api: Api, name: str, ids: Sequence[str], values: Mapping[str, Json]) -> str:
    request_id = ""
    for some in _pieces(ids):
        body: Json = {"inputs": [{"id": one, "properties": dict(values)} for one in some]}
        path = f"{OBJECTS}/{name}/batch/update"
        request_id = api.call("POST", path, json=body, endpoint_class=DEFAULT, write=True).request_id
    return request_id


def _purged(api: Api, one: str) -> Erased:
    try:
        path, body = f"{OBJECTS}/{CONTACTS}/gdpr-delete", {"objectId": one}
        request_id = api.call("POST", path, json=dict[str, Json](body), endpoint_class=DEFAULT, write=True).request_id
    except Gone as gone:
        request_id = gone.request_id
    return Erased(object=f"contact {one}", fate=Fate.ERASED, request_id=request_id)


def _pieces(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), BATCH):
        yield ids[start : start + BATCH]
