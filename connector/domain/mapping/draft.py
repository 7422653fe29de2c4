"""A first mapping from a form: what its questions and hidden fields most likely are, and how sure that is. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from connector.domain.model.account import Form, Question

# What a hidden field is by its name; the first that fits. Words are compared without `_` and case.
HIDDEN: Final[Mapping[str, Sequence[str]]] = MappingProxyType(
    {
        "respondent.invitation": ("inv", "invitation", "invitationid", "invite", "inviteid"),
        "respondent.crm_id": ("contactid", "crmid", "salesforceid", "sfid", "hubspotid", "vid", "contact"),
        "respondent.email": ("email", "mail", "emailaddress", "useremail"),
        "respondent.phone": ("phone", "phonenumber", "mobile", "tel", "telephone"),
        "respondent.name": ("name", "fullname", "customername", "customer", "username"),
        "respondent.company": ("company", "companyname", "organisation", "organization", "account"),
        "interaction.id": ("ticketid", "ticket", "orderid", "order", "caseid", "case", "appointmentid", "visitid"),
        "interaction.service": ("service", "queue", "product", "topic"),
        "interaction.location": ("location", "place", "store", "branch", "site", "city"),
        "interaction.staff": ("technician", "agent", "staff", "employee", "advisor"),
        "interaction.channel": ("channel", "source", "medium"),
    }
)
_SEGMENTED: Final = frozenset({"service", "location", "technician", "tier", "channel"})
_ONE_IS_BEST: Final = re.compile(
    r"\b1\s*(?:=|is|ist|es)\s*(?:the\s+)?(?:very\s+)?(?:best|good|sehr gut|beste)", re.IGNORECASE
)
_GOOD: Final = re.compile(
    r"\b(very (?:good|satisfied|happy|likely)|excellent|best|great|sehr (?:gut|zufrieden))\b", re.IGNORECASE
)
_BAD: Final = re.compile(
    r"\b(not|never|un\w+|very (?:bad|poor)|poor|bad|worst|terrible|nicht|schlecht|gar)\b", re.IGNORECASE
)
_EFFORT: Final = re.compile(r"\b(eas(?:y|ily)|effort|einfach|aufwand)\b", re.IGNORECASE)
_CONSENT: Final = re.compile(r"\b(contact|call|reach|kontakt\w*|anrufen|melden)\b", re.IGNORECASE)
_NAME: Final = re.compile(r"\b(full |your )?name\b", re.IGNORECASE)
_READS: Final = re.compile(r'(?:answers|hidden)(?:\.\w+|\["[^"]*"\])')
_SIMPLE: Final = re.compile(r"[A-Za-z_]\w*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One guess: `place` in the mapping, its `value` (an expression), what it stands on, and what is unsure."""

    place: str
    value: str
    because: str
    doubt: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RatingLine:
    """One rating: the scale as the form has it; `best` low or high."""

    metric: str
    value: str
    scale: str
    best: str
    about: str
    because: str
    doubt: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """The whole guess. `unused` are questions and hidden fields nothing was made of."""

    form: Form
    ratings: Sequence[RatingLine]
    lines: Sequence[Line]
    unused: Sequence[str]


def draft(form: Form, segments: Collection[str]) -> Draft:
    """The mapping the form suggests. `segments` are the configured ones; only those can be filled."""
    ratings = list(_ratings(form))
    lines = _merged([*_from_questions(form), *_from_hidden(form, segments)])
    values = [*(rating.value for rating in ratings), *(line.value for line in lines)]
    used = {read for value in values for read in _READS.findall(value)}
    unused = [f"{_read('answers', each.ref)} ({each.type}: {each.title})" for each in form.questions]
    unused = [text for text, each in zip(unused, form.questions, strict=True) if _read("answers", each.ref) not in used]
    unused += [name for name in (_read("hidden", each) for each in form.hidden) if name not in used]
    return Draft(form=form, ratings=ratings, lines=lines, unused=unused)


def _read(group: str, name: str) -> str:
    """The expression that reads one answer or hidden field; generated references are no names."""
    return f"{group}.{name}" if _SIMPLE.fullmatch(name) else f'{group}["{name}"]'


def _ratings(form: Form) -> Iterator[RatingLine]:
    scales = [each for each in form.questions if each.lowest is not None and each.highest is not None]
    overall = next((each for each in scales if each.type != "nps"), None)
    for number, each in enumerate(scales, start=1):
        best, doubt = ("high", "") if each.type == "nps" else _polarity(each)
        metric = "nps" if each.type == "nps" else "ces" if _EFFORT.search(each.title) else "csat"
        yield RatingLine(
            metric=metric,
            value=_read("answers", each.ref),
            scale=f"{each.lowest:g}-{each.highest:g}",
            best=best,
            about="company" if metric == "nps" else "overall" if each is overall else _about(each, number),
            because=each.title,
            doubt=doubt,
        )


def _about(question: Question, number: int) -> str:
    return question.ref if _SIMPLE.fullmatch(question.ref) else f"question {number}"


def _polarity(question: Question) -> tuple[str, str]:
    """Which end is good, and what to look at where that is a guess."""
    low, high = question.labels
    if _ONE_IS_BEST.search(question.title) or (_GOOD.search(low) and not _BAD.search(low)):
        return "low", ""
    if _BAD.search(low) or (_GOOD.search(high) and not _BAD.search(high)):
        return "high", ""
    return "high", f"is {question.highest:g} really the best answer? Else say `best: low`"


def _from_questions(form: Form) -> Iterator[Line]:
    long_texts = [each for each in form.questions if each.type == "long_text"]
    short_texts = [each for each in form.questions if each.type == "short_text"]
    names = [each for each in short_texts if _NAME.search(each.title) or each.ref in {"name", "full_name"}]
    words = long_texts or [each for each in short_texts if each not in names]
    if words:
        doubt = "there are several texts: is this the one?" if len(words) > 1 else ""
        yield Line(place="comment", value=_read("answers", words[0].ref), because=words[0].title, doubt=doubt)
    for kind, place in (("email", "respondent.email"), ("phone_number", "respondent.phone")):
        for each in [one for one in form.questions if one.type == kind][:1]:
            yield Line(place=place, value=_read("answers", each.ref), because=each.title)
    yield from _names(names)
    asked = [each for each in form.questions if each.type in {"yes_no", "legal"} and _CONSENT.search(each.title)]
    for each in asked[:1]:
        yield Line(place="consent", value=_read("answers", each.ref), because=each.title)


def _names(names: Sequence[Question]) -> Iterator[Line]:
    """One question for the name, or two, first and last."""
    if len(names) == 2:
        value = " ~ ' ' ~ ".join(f"({_read('answers', each.ref)} or '')" for each in names)
        yield Line(place="respondent.name", value=value, because=" + ".join(each.title for each in names))
    elif names:
        yield Line(place="respondent.name", value=_read("answers", names[0].ref), because=names[0].title)


def _from_hidden(form: Form, segments: Collection[str]) -> Iterator[Line]:
    for name in form.hidden:
        bare = re.sub(r"[\W_]", "", name).casefold()
        place = next((place for place, words in HIDDEN.items() if bare in words), None)
        if place is not None:
            yield Line(place=place, value=_read("hidden", name), because="")
            if place == "interaction.id":
                yield from _kind(bare)
        segment = name if name in segments else (place or "").removeprefix("interaction.")
        if segment in segments and (segment in _SEGMENTED or name in segments):
            yield Line(place=f"segments.{segment}", value=_read("hidden", name), because="")


def _kind(bare: str) -> Iterator[Line]:
    """What the id is an id of, as its name says."""
    word = bare.removesuffix("id")
    yield Line(place="interaction.kind", value=f'"{word}"', because="")


def _merged(lines: Sequence[Line]) -> list[Line]:
    """One line a place: what was asked comes before what travelled with the link."""
    found: dict[str, Line] = {}
    for line in lines:
        known = found.get(line.place)
        if known is None:
            found[line.place] = line
        elif line.value.startswith("hidden") and " or " not in known.value:
            found[line.place] = Line(
                place=line.place,
                value=f"{known.value} or {line.value}",
                because=known.because,
                doubt=known.doubt,
            )
    return list(found.values())
