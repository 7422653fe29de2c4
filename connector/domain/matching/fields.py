"""E-mail addresses, telephone numbers, companies and postcodes compared where they are not the same."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from rapidfuzz import fuzz
from rapidfuzz.distance import OSA

from connector.domain.matching.canonical import canonical_email
from connector.domain.matching.names import fold

_PROVIDERS: Final = (
    "gmail.com googlemail.com yahoo.com yahoo.de yahoo.es yahoo.co.uk hotmail.com hotmail.de hotmail.es "
    "outlook.com outlook.de outlook.es live.com msn.com icloud.com me.com aol.com gmx.de gmx.net gmx.at gmx.com "
    "web.de t-online.de freenet.de posteo.de mail.com proton.me protonmail.com telefonica.net btinternet.com "
    "comcast.net verizon.net att.net sbcglobal.net cox.net arcor.de vodafone.de o2online.de email.de online.de "
    "orange.fr orange.es free.fr wanadoo.fr laposte.net sfr.fr libero.it virgilio.it bluewin.ch aon.at a1.net "
    "chello.at terra.es ono.com movistar.es sky.com talktalk.net virginmedia.com ntlworld.com mac.com ymail.com "
    "hotmail.co.uk hotmail.fr yahoo.fr yahoo.it live.de live.co.uk hey.com fastmail.com zoho.com tutanota.com "
    "mailbox.org mail.de gmx.ch rocketmail.com qq.com "
)
_FREE: Final = frozenset(_PROVIDERS.split())
_LONG_NAMES: Final = tuple(sorted(name for name in _FREE if len(name) >= 7))
_OFFICES: Final = (
    "info mail email contact kontakt contacto office admin sales service support hello hallo hola post team buero"
)
_ROLES: Final = frozenset(_OFFICES.split())
_SECOND_LEVEL: Final = frozenset({"co", "com", "org", "net", "ac", "gov"})
_LONG: Final = 9
_SHORT: Final = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One field of two people: evidence in bits, a few words without personal data, and what it speaks for.

    Neither `agrees` nor `differs`: it says nothing, because one side lacks it or it proves little.
    """

    text: str
    bits: float = 0.0
    agrees: bool = False
    differs: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """An address taken apart.

    `box` is the local part without tag, and without dots where the provider ignores them. `firm` is the word of the
    domain that names the company; empty at providers for everybody.
    """

    box: str
    domain: str
    firm: str

    @property
    def is_free(self) -> bool:
        """Whether anybody can have an address there."""
        return self.domain in _FREE

    @property
    def is_role(self) -> bool:
        """Whether the mailbox belongs to an office and not to a person."""
        return self.box in _ROLES


def mail_of(address: str | None) -> Mail | None:
    """An address taken apart, None when there is none."""
    whole = canonical_email(address or "")
    if whole is None:
        return None
    local, _, domain = whole.rpartition("@")
    box = local.partition("+")[0] or local
    if domain in {"gmail.com", "googlemail.com"} or _mistyped(domain) == "gmail.com":
        box = box.replace(".", "") or box
    return Mail(box=box, domain=domain, firm=_firm(domain))


@lru_cache(maxsize=16_384)
def _firm(domain: str) -> str:
    labels = domain.split(".")[:-1]
    if len(labels) > 1 and labels[-1] in _SECOND_LEVEL:
        labels.pop()
    return "" if domain in _FREE or _mistyped(domain) or not labels else fold(labels[-1].replace("-", ""))


def digits_of(phone: str | None) -> str:
    """The digits of a number without leading zeros: what is left of it whichever way its country is written."""
    return re.sub(r"\D", "", (phone or "").replace("(0)", "")).lstrip("0")


def plain_postcode(text: str | None) -> str:
    """A postcode without blanks and hyphens, in capitals."""
    return re.sub(r"[^0-9A-Za-z]", "", text or "").upper()


def compare_mail(one: Mail | None, other: Mail | None, *, names_agree: bool) -> Compared:
    """Two addresses that are not the same. A slip within the mailbox counts only where the names are the same.

    Otherwise both are right: `peter.meier@` and `peter.meyer@` belong to two people.
    """
    if one is None or other is None:
        return Compared(text="e-mail missing")
    is_domain_same = one.domain == other.domain
    if one.box == other.box and not one.is_role:
        if is_domain_same:
            return Compared(bits=20, text="e-mail same", agrees=True)
        if _mistyped(one.domain) == other.domain or _mistyped(other.domain) == one.domain:
            return Compared(bits=18, text="e-mail same but for a slip in its domain", agrees=True)
        has_own_style = any(letter.isdigit() for letter in one.box) and len(one.box) >= 6
        bits = 8 if has_own_style else 2
        return Compared(bits=bits, text="e-mail same before the @", agrees=has_own_style)
    if is_domain_same and names_agree and _is_slip(one.box, other.box):
        return Compared(bits=12, text="e-mail same but for a slip", agrees=True)
    if is_domain_same and not one.is_free:
        return Compared(bits=-2, text="e-mail differs, at the same domain")
    return Compared(bits=-1, text="e-mail differs", differs=True)


def _is_slip(one: str, other: str) -> bool:
    """One letter apart; another digit is another mailbox."""
    if min(len(one), len(other)) < 6 or OSA.distance(one, other, score_cutoff=1) > 1:
        return False
    return re.sub(r"\D", "", one) == re.sub(r"\D", "", other)


@lru_cache(maxsize=16_384)
def _mistyped(domain: str) -> str | None:
    """The provider that was meant, where `domain` is one slip away from it."""
    if domain in _FREE or len(domain) < 5:
        return None
    near = (known for known in _LONG_NAMES if OSA.distance(domain, known, score_cutoff=1) == 1)
    return next(near, None)


def compare_phone(one: str, other: str) -> Compared:
    """Two numbers by their last digits, since one may lack its country."""
    shared = min(len(one), len(other), _LONG)
    if shared < _SHORT:
        return Compared(text="phone missing")
    if one[-shared:] == other[-shared:]:
        return Compared(bits=22 if shared >= _LONG else 16, text="phone same", agrees=True)
    if OSA.distance(one[-shared:], other[-shared:], score_cutoff=1) == 1:
        return Compared(bits=7, text="phone same but for one digit", agrees=True)
    return Compared(bits=-2, text="phone differs", differs=True)


def compare_company(ones: Sequence[str], others: Sequence[str], mail: Mail | None, mail2: Mail | None) -> Compared:
    """Two companies by their names, else by the domains of their addresses.

    Two addresses at one domain are no more than a hint: it may be a provider's, and then it is no company at all.
    """
    firms = [_firms(ones, mail), _firms(others, mail2)]
    if not firms[0] or not firms[1]:
        return Compared(text="company missing")
    said = {"".join(ones), "".join(others)} - {""}
    if firms[0] & firms[1] & said:
        return Compared(bits=9, text="company same", agrees=True)
    if ones and others and fuzz.token_sort_ratio(" ".join(ones), " ".join(others)) >= 90:
        return Compared(bits=6, text="company similar", agrees=True)
    if firms[0] & firms[1]:
        return Compared(bits=6, text="domain same")
    if any(_begins(a, b) or _begins(b, a) for a in firms[0] for b in firms[1]):
        return Compared(bits=5, text="company similar", agrees=bool(said))
    if not (ones and others):
        return Compared(text="company missing")  # a domain of one's own says nothing against an employer
    return Compared(bits=-4, text="company differs", differs=True)


def _firms(words: Sequence[str], mail: Mail | None) -> set[str]:
    return {"".join(words), "" if mail is None else mail.firm} - {""}


def _begins(short: str, long: str) -> bool:
    return len(short) >= 4 and long.startswith(short)


def compare_postcode(one: str, other: str) -> Compared:
    """Two postcodes."""
    if not one or not other:
        return Compared(text="postcode missing")
    if one == other:
        return Compared(bits=10, text="postcode same", agrees=True)
    if len(one) == len(other) and OSA.distance(one, other, score_cutoff=1) == 1:
        return Compared(bits=2, text="postcode same but for a slip")
    return Compared(bits=-4, text="postcode differs", differs=True)


def firm_key(words: Sequence[str], mail: Mail | None) -> str:
    """The beginning of the company's name, to look it up by; empty when none is known."""
    return ("".join(words) or ("" if mail is None else mail.firm))[:6]
