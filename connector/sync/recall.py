"""An answer that was decided before, brought to mind again: to follow up its ticket, or to explain it."""

from __future__ import annotations

from connector.domain.matching.ladder import LinkChoice, PersonChoice
from connector.domain.model.person import Evidence
from connector.domain.recovery.thresholds import judge_ratings
from connector.store import links, people, scores
from connector.store.responses import Version
from connector.store.transaction import Transaction
from connector.sync.about import completed
from connector.sync.context import Matter, gather
from connector.sync.identify import Identity, waits_for_contact
from connector.sync.settings import DecideSettings
from connector.sync.slices import slices


def recall(tx: Transaction, version: Version, settings: DecideSettings) -> Matter:
    """What is known about a decided answer now."""
    person_id = None if version.person_id is None else people.survivor(tx, version.person_id)
    version = completed(tx, version, settings)
    verdict = judge_ratings(version.response.ratings, slices(version.response), settings.thresholds)
    identity = identity_of(tx, person_id, settings, decided_by="remembered")
    score = None if person_id is None else scores.latest(tx, person_id)
    return gather(tx, version, verdict, identity, None, score)


def identity_of(tx: Transaction, person_id: int | None, settings: DecideSettings, *, decided_by: str) -> Identity:
    """Somebody who is known already, with the links they have; `decided_by` says how they were recognised."""
    found = {} if person_id is None else {link.account: link for link in links.of_person(tx, person_id)}
    return Identity(
        person_id=person_id,
        choice=PersonChoice(person_id=person_id, anonymous=person_id is None, evidence=Evidence(decided_by=decided_by)),
        links={
            # A contact that is still being made is theirs: what is said now waits for it, as what was said before does.
            target.account: LinkChoice(
                link=found[target.account],
                create=person_id is not None and waits_for_contact(tx, person_id, target.account),
            )
            for target in settings.crms()
            if target.account in found
        },
    )
