"""Keys in the one form they are compared in."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

import idna
import phonenumbers

from connector.domain.model.person import KeyKind
from connector.domain.model.response import Interaction, Respondent

_SPACES = re.compile(r"\s+")


def canonical_email(text: str) -> str | None:
    """An address as it is compared, None when it is none.

    NFKC, lower case, the domain in its ASCII form (IDNA 2008, so `straße.example` and `strasse.example` stay two).
    Upper and lower case of the local part are one, against the letter of RFC 5321: no mail provider gives `Ann@` and
    `ann@` to two people, while telephones capitalise what is typed first. Dots and plus tags stay: what they mean
    differs by provider, and a wrong link shows one customer's words on another's record.
    """
    address = unicodedata.normalize("NFKC", text).strip().removeprefix("mailto:").strip()
    local, at, domain = address.rpartition("@")
    domain = domain.rstrip(".")
    if not at or not local or "." not in domain or _SPACES.search(address) or "@" in local.strip('"'):
        return None
    if not domain.isascii():
        try:
            domain = idna.encode(domain, uts46=True).decode("ascii")
        except idna.IDNAError:
            return None
    return f"{local.lower()}@{domain.lower()}"


def canonical_phone(text: str, region: str | None = None) -> str | None:
    """A number in E.164 (`+493012345`), None when it cannot be told which number it is.

    `region` (ISO 3166, `DE`) says where national numbers belong; without one only international numbers are read,
    because the same national digits are another person's in another country. Extensions are dropped.
    """
    international = re.sub(r"^\s*00(?=[1-9])", "+", text)
    try:
        number = phonenumbers.parse(international, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def canonical_id(text: str) -> str | None:
    """An identifier another system issued, trimmed; otherwise as it is, since some differ by case. None if blank."""
    return text.strip() or None


def keys_of(respondent: Respondent, interaction: Interaction, region: str | None = None) -> Mapping[KeyKind, str]:
    """The keys a response offers, canonical. What cannot be read as a key is left out; a name or company is no key.

    The interaction's key is `<kind>:<id>`, since a ticket and a repair order may have the same number.
    """
    subject = canonical_id(interaction.id or "")
    offered = {
        KeyKind.INVITATION: canonical_id(respondent.invitation or ""),
        KeyKind.INTERACTION: subject and f"{interaction.kind or 'interaction'}:{subject}",
        KeyKind.CRM_ID: canonical_id(respondent.crm_id or ""),
        KeyKind.EMAIL: canonical_email(respondent.email or ""),
        KeyKind.PHONE: canonical_phone(respondent.phone or "", region),
    }
    return {kind: key for kind, key in offered.items() if key}
