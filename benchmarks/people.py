"""Invented people with the skew of real ones, and what they say of themselves in a survey. Seeded: always the same."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

from connector.domain.model.person import Contact
from connector.domain.model.response import Respondent

ACCOUNT = "salesforce:bench"
_GIVEN_TEXT = (
    "anna peter maria thomas laura michael julia stefan sarah andreas lena christian katharina martin sabine "
    "daniel nina markus eva alexander susanne robert carla jan petra david monika florian lisa wolfgang "
    "claudia paul martina simon karin jürgen elena johannes ines björn teresa günther jane william emily james "
    "olivia josé lucía carlos elisabeth friedrich ava noah mia liam zoë harry chloé jonas greta felix hanna "
    "lukas ida oskar paula emil klara anton ella "
)
_STARTS_TEXT = (
    "ba be bo bra brü da de do dre fa fe fi fle fra ga ge gra grö ha he ho ja je ka ke kö kra la le lo ma me "
    "mi mo mü na ne no "
)
_MIDDLES_TEXT = "bel den der gen ler ling mann mer nau ner nick pel ran rich rin sel sen ser ten ter tow wald wig zel "
_ENDS_TEXT = "er ert mann feld stein berg hof bach ke ing son ström ski ez ano ard ell ott "
_TRADES_TEXT = "Werk Haus Logistik Technik Systems Trading Garage Motors Bau Foods Media Energie Labor Optik Textil "
_GIVEN = _GIVEN_TEXT.split()
_STARTS = _STARTS_TEXT.split()
_MIDDLES = _MIDDLES_TEXT.split()
_ENDS = _ENDS_TEXT.split()
_TRADES = _TRADES_TEXT.split()
_LEGAL = ("GmbH", "AG", "Ltd", "Inc.", "GmbH & Co. KG", "S.L.", "")
_FREE = ("gmail.com", "gmx.de", "web.de", "yahoo.com", "outlook.com")
_SHORT = {
    "william": "Bill",
    "robert": "Bob",
    "johannes": "Hans",
    "michael": "Mike",
    "elisabeth": "Lisa",
    "david": "Dave",
}
_PLAIN = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "é": "e", "í": "i", "ë": "e"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Somebody who answers, and their contact's id; None when the CRM does not have them."""

    respondent: Respondent
    contact_id: str | None


class People:
    """A town of invented people. `number` of them are the CRM's contacts."""

    def __init__(self, number: int, seed: int = 7) -> None:
        self.number = number
        self._seed = seed
        shuffled = random.Random(seed)
        surnames = sorted({a + b + c for a in _STARTS for b in _MIDDLES for c in _ENDS})
        shuffled.shuffle(surnames)
        self._surnames, self._surname_weights = surnames, _skew(len(surnames))
        self._given_weights = _skew(len(_GIVEN))
        self._firms = [f"{name.capitalize()} {_TRADES[n % len(_TRADES)]}" for n, name in enumerate(surnames[:8000])]
        self._firm_weights = _skew(len(self._firms))

    def contacts(self) -> Iterator[Contact]:
        """The CRM's contacts, in the order of their ids."""
        return (self.contact(number) for number in range(self.number))

    def contact(self, number: int) -> Contact:
        """One person; numbers from `self.number` on are people the CRM does not have."""
        dice = random.Random(self._seed * 1_000_003 + number)
        given = dice.choices(_GIVEN, cum_weights=self._given_weights)[0]
        last = dice.choices(self._surnames, cum_weights=self._surname_weights)[0]
        firm = dice.choices(self._firms, cum_weights=self._firm_weights)[0] if dice.random() < 0.4 else None
        legal = dice.choice(_LEGAL)
        box = f"{given}.{last}".translate(_PLAIN)
        if firm is None:
            box += str(dice.randrange(10_000)) if dice.random() < 0.7 else f"-{number}"
        domain = dice.choice(_FREE) if firm is None else firm.lower().replace(" ", "").translate(_PLAIN) + ".example"
        phone = f"+4915{dice.randrange(10**8, 10**9)}" if dice.random() < 0.6 else None
        return Contact(
            account=ACCOUNT,
            id=f"003{number:015d}",
            name=f"{given.capitalize()} {last.capitalize()}",
            email=f"{box}@{domain}" if dice.random() < 0.9 else None,
            phone=phone,
            company=None if firm is None else f"{firm} {legal}".strip(),
            postcode=f"{dice.randrange(8_000):05d}" if dice.random() < 0.5 else None,
        )

    def asked(self, number: int, seed: int = 11) -> Iterator[Asked]:
        """People who answer with something no exact key finds; a quarter of them the CRM does not have."""
        dice = random.Random(seed)
        for _ in range(number):
            is_known = dice.random() < 0.75
            which = dice.randrange(self.number) if is_known else self.number + dice.randrange(self.number)
            someone = self.contact(which)
            yield Asked(respondent=_said(someone, dice), contact_id=someone.id if is_known else None)


def _skew(number: int) -> list[float]:
    """Cumulated weights of a Zipf-like distribution: a few names are common, most are rare."""
    return list(accumulate(1 / (rank + 10) for rank in range(number)))


def _said(someone: Contact, dice: random.Random) -> Respondent:
    """What somebody says of themselves: another address, slips, short names, other spellings, or nothing."""
    name = _name(someone.name or "", dice)
    company = someone.company if dice.random() < 0.7 else None
    if company is not None and dice.random() < 0.5:
        company = " ".join(company.split()[:2])
    return Respondent(
        name=name if dice.random() < 0.92 else None,
        email=_email(someone.email, name, dice),
        phone=_phone(someone.phone, dice),
        company=company,
        postcode=someone.postcode if dice.random() < 0.6 else None,
    )


def _name(name: str, dice: random.Random) -> str:
    given, _, last = name.partition(" ")
    way = dice.random()
    if way < 0.35:
        return name
    if way < 0.5:
        return name.translate(_PLAIN)
    if way < 0.6:
        return f"{last}, {given}"
    if way < 0.7:
        return f"{given[0]}. {last}"
    if way < 0.8:
        return f"{_SHORT.get(given.lower(), given)} {last}"
    return f"{given} {_slip(last, dice)}"


def _slip(word: str, dice: random.Random) -> str:
    """Two letters turned round, one lost, one doubled or one mistaken."""
    at = dice.randrange(1, len(word) - 1)
    way = dice.randrange(4)
    if way == 0:
        return word[: at - 1] + word[at] + word[at - 1] + word[at + 1 :]
    if way == 1:
        return word[:at] + word[at + 1 :]
    return word[:at] + (word[at] * 2 if way == 2 else dice.choice("aeinrst")) + word[at + 1 :]


def _email(email: str | None, name: str, dice: random.Random) -> str:
    box, _, domain = (email or "").partition("@")
    way = dice.random()
    if email and way < 0.25:
        return f"{box}@{_slip(domain, dice)}"
    if email and way < 0.45:
        return f"{_slip(box, dice)}@{domain}"
    mine = name.lower().translate(_PLAIN).replace(",", "").replace(" ", ".") or "someone"
    return f"{mine}{dice.randrange(1000)}@{dice.choice(_FREE)}"


def _phone(phone: str | None, dice: random.Random) -> str | None:
    way = dice.random()
    if phone is None or way < 0.5:
        return None
    national = "0" + phone.removeprefix("+49")
    if way < 0.75:
        return f"{national[:4]} / {national[4:]}"
    wrong = dice.randrange(6, len(national))
    return national[:wrong] + str((int(national[wrong]) + 1) % 10) + national[wrong + 1 :]
