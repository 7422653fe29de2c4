"""Files of tests users write: what an answer is expected to lead to. Read, checked against the configuration.

A file has a section for each sort of test: `rules` are answers and what rules and thresholds make of them, `playbooks`
what happens when time passes afterwards, `calendars` when so much open time has passed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import ConfigDict, Field, ValidationError, model_validator

from connector.config.document import Document, Path_, read
from connector.config.findings import Findings, keys_of, matches
from connector.config.loading import Loaded
from connector.config.part import Model
from connector.config.playbook_tests import CalendarTest, Times
from connector.config.playbooks import TaskStep
from connector.config.quantities import Duration, Text
from connector.config.steps import ExpectStep
from connector.domain.model.nearest import nearest
from connector.domain.model.recovery import Severity
from connector.domain.model.response import Rating, Sentiment
from connector.errors import ConfigError, Problem

ABOUT: Final = ("id", "kind", "service", "location", "staff", "channel")
_Count = Annotated[int, Field(ge=0)]
_AT_ONCE: Final = timedelta(0)


class Person(Model):
    """Who answers; none of it: nobody in particular."""

    email: Text | None = Field(default=None, description="E-mail address.")
    phone: Text | None = Field(default=None, description="Phone number with its country: +49….")
    name: Text | None = Field(default=None, description="Full name.")
    company: Text | None = Field(default=None, description="Company.")
    postcode: Text | None = Field(default=None, description="Postcode.")
    crm_id: Text | None = Field(default=None, description="The contact's id in the CRM.")
    invitation: Text | None = Field(default=None, description="The id of the invitation the link carried.")


class About(Model):
    """What the survey is about."""

    id: Text | None = Field(default=None, description="The ticket's, order's or chat's id.")
    kind: Text | None = Field(default=None, description="`ticket`, `repair order`, ….")
    service: Text | None = Field(default=None, description="Which service.")
    location: Text | None = Field(default=None, description="Where.")
    staff: Text | None = Field(default=None, description="Who served.")
    channel: Text | None = Field(default=None, description="Through which channel.")


class GivenAnswer(Model):
    """One answer. Further keys are segments: `service: brakes`, which is also what the survey is about."""

    model_config = ConfigDict(frozen=True, extra="allow", hide_input_in_errors=True)

    survey: Text = Field(description="One of the configuration's surveys, whose mapping knows the scales.")
    ratings: dict[Text, float] = Field(
        min_length=1, description="Metric → the rating as given: `csat: 2`; `csat/wait: 2` for what it is about."
    )
    comment: str | None = Field(default=None, description="What the customer writes; understood as in a real run.")
    language: Text | None = Field(default=None, description="The comment's language where the tool knows it.")
    person: Person = Field(default=Person(), description="Who answers.")
    about: About = Field(default=About(), description="What the survey is about.")
    consent: bool | None = Field(default=None, description="May they be contacted.")
    ago: Duration = Field(default=_AT_ONCE, description="In `before`: so long before the tested answer it came.")
    age: Duration = Field(default=_AT_ONCE, description="How old it was when it came.")

    @property
    def segments(self) -> dict[str, str]:
        """Segment → value."""
        return {name: str(value) for name, value in (self.model_extra or {}).items()}


class ExpectedRecovery(Model):
    """The recovery the answer belongs to; what is left out is not compared."""

    playbook: Text | None = Field(default=None, description="Its playbook.")
    severity: Severity | None = Field(default=None, description="How bad it is.")
    joined: bool | None = Field(default=None, description="true: it was open before; false: this answer opened it.")


class Expected(Model):
    """What is compared; what is left out is not."""

    unhappy: bool | None = Field(default=None, description="Whether a threshold makes it unhappy.")
    sentiment: Sentiment | None = Field(default=None, description="What the words say.")
    language: Text | None = Field(default=None, description="The comment's language, `und` for none.")
    themes: tuple[Text, ...] | None = Field(default=None, description="Its themes, all of them, in any order.")
    rules: tuple[Text, ...] | None = Field(default=None, description="The rules that match, all of them, in order.")
    recovery: ExpectedRecovery | None = Field(default=None, description="Its recovery; `null`: none.")
    tickets: _Count | None = Field(default=None, description="New tickets.")
    notes: _Count | None = Field(default=None, description="Notes on tickets.")
    tasks: _Count | None = Field(default=None, description="CRM tasks.")
    messages: _Count | None = Field(default=None, description="Messages to people.")
    events: _Count | None = Field(default=None, description="Events to other programs.")
    score: float | None = Field(default=None, description="The person's health score afterwards; `null`: none.")
    band: Text | None = Field(default=None, description="Its band; `null`: none.")


class RuleTest(Model):
    """One test of rules and thresholds."""

    name: Text = Field(description="What it shows; printed when it fails.")
    before: tuple[GivenAnswer, ...] = Field(default=(), description="Answers that came earlier, in this order.")
    answer: GivenAnswer = Field(description="The answer.")
    expect: Expected = Field(description="What it leads to.")


class PlaybookTest(Times):
    """One test of a playbook: an answer opens a recovery, and then time passes."""

    name: Text = Field(description="What it shows; printed when it fails.")
    answer: GivenAnswer = Field(description="The answer that opens it.")


class FileOfTests(Model):
    """A file of tests."""

    rules: tuple[RuleTest, ...] = Field(default=(), description="Tests of rules and thresholds.")
    playbooks: tuple[PlaybookTest, ...] = Field(default=(), description="Tests of deadlines and what comes of them.")
    calendars: tuple[CalendarTest, ...] = Field(default=(), description="Tests of when people work.")

    @model_validator(mode="after")
    def _some(self) -> FileOfTests:
        if not (self.rules or self.playbooks or self.calendars):
            raise ValueError("a file of tests has some under `rules`, `playbooks` or `calendars`")
        return self


SECTIONS: Final = ("rules", "playbooks", "calendars")
AnyTest = RuleTest | PlaybookTest | CalendarTest


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One test, and where it stands: `file:line`."""

    place: str
    test: AnyTest


def read_tests(files: Sequence[Path], loaded: Loaded) -> list[Found]:
    """Every test of these files, in order. Raises ConfigError with every problem of all of them."""
    found: list[Found] = []
    problems: list[Problem] = []
    for path in files:
        try:
            document = read(path, str(path))
        except ConfigError as error:
            problems += error.problems
            continue
        tests = _tests(document, loaded)
        problems += sorted(document.problems, key=lambda each: each.line)
        found += [
            Found(place=f"{path}:{document.place((section, number)).line}", test=test)
            for section, number, test in tests
        ]
    if problems:
        raise ConfigError(problems)
    return found


def rated(answer: GivenAnswer, loaded: Loaded) -> tuple[Rating, ...]:
    """The ratings on the scales of their survey. Raises ValueError with a word that is none of its ratings."""
    rules = {
        name: rule
        for rule in reversed(loaded.survey_mappings[answer.survey].ratings)
        for name in (rule.metric.value, f"{rule.metric.value}/{rule.about}")
    }
    return tuple(
        Rating(metric=rules[name].metric, value=value, scale=rules[name].scale, about=rules[name].about)
        for name, value in answer.ratings.items()
    )


def _tests(document: Document, loaded: Loaded) -> list[tuple[str, int, AnyTest]]:
    findings = Findings(document)
    try:
        read_file = FileOfTests.model_validate(document.tree if document.tree is not None else {})
    except ValidationError as error:
        findings.validation(error.errors(), FileOfTests)
        read_file = None
    _names(document.tree, loaded, findings)
    findings.close()
    if read_file is None or document.problems:
        return []
    return [(name, number, test) for name in SECTIONS for number, test in enumerate(getattr(read_file, name))]


def _names(tree: Any, loaded: Loaded, findings: Findings) -> None:
    """Everything a test names exists in the configuration."""
    config = loaded.config
    health = config.health_score
    known: Mapping[tuple[str, ...], tuple[str, Sequence[str]]] = {
        ("rules", "*", "expect", "rules", "*"): ("rule", [rule.name for rule in config.rules]),
        ("rules", "*", "expect", "recovery", "playbook"): ("playbook", list(config.playbooks)),
        ("rules", "*", "expect", "themes", "*"): ("theme", () if loaded.themes is None else loaded.themes.names),
        ("rules", "*", "expect", "band"): ("band", [] if health is None else list(health.bands)),
        ("calendars", "*", "calendar"): ("calendar", list(config.calendars)),
        ("playbooks", "*", "then", "*", "done"): ("step", _steps(loaded)),
        ("playbooks", "*", "then", "*", "expect", "waits_for", "*"): ("step", _steps(loaded)),
        ("playbooks", "*", "then", "*", "expect", "late", "*"): ("step", _steps(loaded)),
    }
    for pattern, (what, names) in known.items():
        for path, name in matches(tree, pattern):
            _known(path, what, name, names, findings)
    for path, answer in _answers(tree):
        _answer(path, answer, loaded, findings)


def _steps(loaded: Loaded) -> list[str]:
    """The names of steps that are waited for."""
    books = loaded.config.playbooks.values()
    return [step.name for book in books for step in book.steps if isinstance(step, ExpectStep | TaskStep)]


def _known(path: Path_, what: str, name: object, names: Sequence[str], findings: Findings) -> bool:
    if not isinstance(name, str) or name in names:
        return name in names
    findings.add(path, f"there is no {what} {name!r}", nearest(name, names))
    return False


def _answers(tree: Any) -> Iterator[tuple[Path_, Mapping[str, Any]]]:
    for pattern in (("rules", "*", "answer"), ("rules", "*", "before", "*"), ("playbooks", "*", "answer")):
        for path, answer in matches(tree, pattern):
            if isinstance(answer, Mapping):
                yield path, answer


def _answer(path: Path_, answer: Mapping[str, Any], loaded: Loaded, findings: Findings) -> None:
    segments, own = loaded.config.segments, keys_of(GivenAnswer)
    for key, value in answer.items():
        if key not in own and key not in segments:
            findings.unknown((*path, key), "key or segment", [*own, *segments])
        elif key not in own and not isinstance(value, str):
            findings.add((*path, key), "expected a text; put it in quotes")
    survey = answer.get("survey")
    ratings = answer.get("ratings")
    if not _known((*path, "survey"), "survey", survey, list(loaded.config.surveys), findings):
        return
    rules = loaded.survey_mappings[str(survey)].ratings
    asked = {name: rule.scale for rule in rules for name in (rule.metric.value, f"{rule.metric.value}/{rule.about}")}
    for name, value in ratings.items() if isinstance(ratings, Mapping) else ():
        if name not in asked:
            findings.unknown((*path, "ratings", name), f"rating in the survey {survey}:", list(asked))
        elif isinstance(value, int | float) and not asked[name].minimum <= value <= asked[name].maximum:
            findings.add((*path, "ratings", name), f"expected a number on the scale {asked[name]}")
