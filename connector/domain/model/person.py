"""The human behind a respondent, and the contacts other systems hold for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from connector.domain.model.response import EMPTY


class KeyKind(StrEnum):
    """The exact keys a person can be recognised by, as `match.keys` in the YAML names them."""

    INVITATION = "invitation"
    INTERACTION = "interaction"
    CRM_ID = "crm_id"
    EMAIL = "email"
    PHONE = "phone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """A person as one CRM knows them.

    `values` holds the CRM fields the connector reads besides identity (signals, its own fields), by the CRM's names.
    `merged_into` is the surviving record's id when this one lost a merge; `deleted`: gone without a successor.
    `company` and `postcode` are None where the CRM has none, or its adapter does not read them.
    """

    account: str
    id: str
    name: str | None = None
    email: str | None = None
    phone: str | None = None
    owner: str | None = None
    url: str | None = None
    modified_at: datetime | None = None
    deleted: bool = False
    merged_into: str | None = None
    values: Mapping[str, object] = field(default_factory=lambda: dict(EMPTY))
    company: str | None = None
    postcode: str | None = None


class LinkState(StrEnum):
    """How sure we are which contact a person is."""

    LINKED = "linked"
    HELD = "held"
    UNLINKED = "unlinked"


NOBODY = "none"


def choice_tag(contact_id: str) -> str:
    """The tag by which people say on a ticket which contact somebody is; `NOBODY`: none of the candidates.

    Helpdesks fold tags to lower case, so ids are compared without it.
    """
    return f"csat-contact-{contact_id.lower()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """A contact that looks like somebody: how certain it is (0–100) and what agrees, without personal data."""

    contact_id: str
    certainty: int
    why: str

    @property
    def text(self) -> str:
        """`certainty 87 (name 96, company same)`."""
        return f"certainty {self.certainty} ({self.why})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Why a link was made or held, in words a person can check.

    `compared` has one line for each key that was looked at, in order; `losers` are the candidates that lost, by id.
    `suggestions` are the contacts likeness found, the most certain first.
    """

    decided_by: str
    compared: tuple[str, ...] = ()
    losers: tuple[str, ...] = ()
    suggestions: tuple[Suggestion, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A remembered, explained match between a person and one account's contact.

    `remote_id` is None while the link is held or the contact does not exist yet; `candidates` are contact ids.
    """

    account: str
    state: LinkState
    remote_id: str | None
    evidence: Evidence
    candidates: tuple[str, ...] = ()
