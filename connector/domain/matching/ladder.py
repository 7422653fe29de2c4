"""Exact matching down a ladder of keys: the first key that finds anything decides, and several finds are never guessed.

A later, weaker key cannot overrule an earlier one, nor choose among the contacts it finds: two with one e-mail address
stay two even when the telephone number fits only one of them, because shared addresses come with shared telephones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from connector.domain.model.person import Evidence, KeyKind, Link, LinkState

LABELS: Mapping[KeyKind, str] = {
    KeyKind.INVITATION: "invitation",
    KeyKind.INTERACTION: "interaction",
    KeyKind.CRM_ID: "CRM id",
    KeyKind.EMAIL: "e-mail",
    KeyKind.PHONE: "phone",
}
"""What people call the keys."""

CRM_KEYS = frozenset({KeyKind.CRM_ID, KeyKind.EMAIL, KeyKind.PHONE})
"""The keys a CRM's contact can be found by; the others find persons only."""

NO_IDENTITY = "no identity"
NOTHING_FOUND = "nothing found"
"""What `Evidence.decided_by` says when no key decided."""


class Missing(StrEnum):
    """What to do about the CRM record of a person the CRM does not know."""

    CREATE = "create"
    HOLD = "hold"
    IGNORE = "ignore"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """What our own store knows by one key: the persons seen with it before, merges followed."""

    kind: KeyKind
    person_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactSighting:
    """What the CRM holds by one key: ids of living contacts, merges followed."""

    kind: KeyKind
    contact_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonChoice:
    """Which person answered. `person_id` is None for somebody new, and for nobody when `anonymous`."""

    person_id: int | None
    anonymous: bool
    evidence: Evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkChoice:
    """The link to one account's contact; `create` when a contact is to be made sure of there."""

    link: Link
    create: bool = False


def choose_person(
    ladder: Sequence[KeyKind], keys: Mapping[KeyKind, str], sightings: Sequence[Sighting]
) -> PersonChoice:
    """Decide which person a response is from.

    `ladder` is `match.keys`, `keys` what the response offers (see `keys_of`), `sightings` what the store knows for each
    offered key. The first key that is known decides when it knows one person. A key that knows several decides nothing
    and the next is asked; when none decides it is somebody new, never one of several.
    """
    offered = _offered(ladder, keys)
    if not offered:
        return PersonChoice(person_id=None, anonymous=True, evidence=Evidence(decided_by=NO_IDENTITY))
    known = {sighting.kind: tuple(dict.fromkeys(sighting.person_ids)) for sighting in sightings}
    decided = next((kind for kind in offered if len(known.get(kind, ())) == 1), None)
    person_id = known[decided][0] if decided else None
    losers = dict.fromkeys(str(other) for kind in offered for other in known.get(kind, ()) if other != person_id)
    evidence = Evidence(
        decided_by=decided.value if decided else NOTHING_FOUND,
        compared=tuple(
            _line(kind, keys[kind], [str(one) for one in known.get(kind, ())], "person") for kind in offered
        ),
        losers=tuple(losers),
    )
    return PersonChoice(person_id=person_id, anonymous=False, evidence=evidence)


def choose_contact(
    account: str,
    ladder: Sequence[KeyKind],
    keys: Mapping[KeyKind, str],
    sightings: Sequence[ContactSighting],
    *,
    missing: Missing,
    remembered: Link | None = None,
) -> LinkChoice:
    """Decide which contact of `account` a person is.

    A link made before is kept. Otherwise the first key of the ladder that finds a contact decides: one is linked,
    several are held for a human with all of them as candidates. When nothing is found `missing` decides: `create`
    leaves the link unlinked and asks for a contact (only with an e-mail or a telephone number, there is nothing to make
    one from otherwise), `hold` waits for a human, `ignore` leaves it at that. Without any key it is unlinked for good.
    """
    if remembered is not None and remembered.state is LinkState.LINKED:
        return LinkChoice(link=remembered)
    offered = [kind for kind in _offered(ladder, keys) if kind in CRM_KEYS]
    found = {sighting.kind: tuple(sorted(set(sighting.contact_ids))) for sighting in sightings}
    lines = tuple(_line(kind, keys[kind], found.get(kind, ()), "contact") for kind in offered)
    decided = next((kind for kind in offered if found.get(kind)), None)
    if decided is None:
        return _nothing_found(account, lines, missing, keys)
    candidates = found[decided]
    others = sorted({one for kind in offered for one in found.get(kind, ())} - set(candidates))
    single = len(candidates) == 1
    link = Link(
        account=account,
        state=LinkState.LINKED if single else LinkState.HELD,
        remote_id=candidates[0] if single else None,
        candidates=candidates,
        evidence=Evidence(decided_by=decided.value, compared=lines, losers=tuple(others)),
    )
    return LinkChoice(link=link)


def explain_match(choice: LinkChoice) -> str:
    """How sure we are who this is, for the ticket: "matched by e-mail to one contact"."""
    link = choice.link
    label = _label(link.evidence.decided_by)
    if link.state is LinkState.LINKED:
        if link.evidence.decided_by not in set(KeyKind):
            return f"contact {label}"
        others = len(link.evidence.losers)
        doubt = f" ({others} other{'' if others == 1 else 's'} found by weaker keys)" if others else ""
        return f"matched by {label} to one contact{doubt}"
    if link.candidates:
        shared = f"share this {label}" if link.evidence.decided_by in set(KeyKind) else "fit"
        return f"not sure: {len(link.candidates)} contacts {shared}"
    if link.evidence.decided_by == NO_IDENTITY:
        return "anonymous: no identity was offered"
    if choice.create:
        return "new to the CRM, the connector makes the contact"
    if link.state is LinkState.HELD:
        return "not in the CRM, waiting for someone to choose a contact"
    return "not in the CRM"


def _offered(ladder: Sequence[KeyKind], keys: Mapping[KeyKind, str]) -> list[KeyKind]:
    return [kind for kind in dict.fromkeys(ladder) if kind in keys]


def _nothing_found(account: str, lines: tuple[str, ...], missing: Missing, keys: Mapping[KeyKind, str]) -> LinkChoice:
    reachable = KeyKind.EMAIL in keys or KeyKind.PHONE in keys
    held = missing is Missing.HOLD and bool(keys)
    link = Link(
        account=account,
        state=LinkState.HELD if held else LinkState.UNLINKED,
        remote_id=None,
        evidence=Evidence(decided_by=NOTHING_FOUND if keys else NO_IDENTITY, compared=lines),
    )
    return LinkChoice(link=link, create=missing is Missing.CREATE and reachable)


def _line(kind: KeyKind, key: str, found: Sequence[str], noun: str) -> str:
    """One comparison in plain words. It shows the key and is personal data; evidence is stored sealed."""
    if not found:
        return f"{LABELS[kind]} ({key}): no {noun}"
    if len(found) == 1:
        return f"{LABELS[kind]} ({key}): matches {noun} {found[0]}"
    return f"{LABELS[kind]} ({key}): {_count(len(found))} {noun}s, {', '.join(found[:-1])} and {found[-1]}"


def _label(decided_by: str) -> str:
    return LABELS[KeyKind(decided_by)] if decided_by in set(KeyKind) else decided_by


def _count(number: int) -> str:
    names = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
    return names[number] if number < len(names) else str(number)
