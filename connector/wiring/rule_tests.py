"""Tests users write, run: each answer is really decided, in an empty store that is thrown away. Nobody is called."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from connector.clock import VirtualClock
from connector.config import Loaded
from connector.config.playbook_tests import CalendarTest
from connector.config.rule_tests import ABOUT, Expected, Found, GivenAnswer, PlaybookTest, RuleTest, rated
from connector.domain.mapping.contacts import email, phone
from connector.domain.model.intent import Json, WriteKind
from connector.domain.model.response import Interaction, Respondent, Response
from connector.secret import Secret
from connector.store import history, intents, outbox, recoveries, responses, scores
from connector.store.database import Database
from connector.store.history import Entry
from connector.store.keyring import KeyRing
from connector.store.looking_back import FIRED
from connector.store.responses import VersionState
from connector.store.transaction import Transaction
from connector.sync.decide import decide_alone
from connector.sync.identify import blinds_of
from connector.wiring.bench import Bench
from connector.wiring.lanes import make_reading
from connector.wiring.playbook_tests import calendar_differs, playbook_differs
from connector.wiring.settings import adapters_at_rest, decide_settings

MONDAY: Final = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
"""When the tested answer comes: any day would do, and the same one every time."""
_MOST: Final = 1000
_COUNTED: Final = {
    "tickets": WriteKind.TICKET,
    "notes": WriteKind.NOTE,
    "tasks": WriteKind.TASK,
    "messages": WriteKind.ALERT,
    "events": WriteKind.EVENT,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of one test. `differences` are field, expected and found; none when it passed.

    `problem`: the answer could not be decided at all, and why.
    """

    place: str
    name: str
    differences: tuple[tuple[str, Json, Json], ...] = ()
    problem: str | None = None

    @property
    def passed(self) -> bool:
        """Whether everything was as expected."""
        return not self.differences and self.problem is None


def run_tests(loaded: Loaded, tests: Sequence[Found]) -> Iterator[Outcome]:
    """Run each by itself, in order."""
    at_rest = adapters_at_rest(loaded, VirtualClock(MONDAY))
    settings, reading = decide_settings(loaded, at_rest.accounts), make_reading(loaded, at_rest)
    ring = KeyRing([Secret(KeyRing.generate())])
    with tempfile.TemporaryDirectory(prefix="connector-test-") as folder:
        empty = Path(folder) / "empty.db"
        Database(f"sqlite:///{empty}", ring, VirtualClock(MONDAY), durable=False).create().close()
        for number, found in enumerate(tests):
            if isinstance(found.test, CalendarTest):
                differences = calendar_differs(found.test, loaded)
                yield Outcome(place=found.place, name=found.test.name, differences=differences)
                continue
            path = Path(folder) / f"{number}.db"
            shutil.copy(empty, path)  # making the tables takes a hundred times as long
            clock = VirtualClock(_begins(found.test, loaded))
            db = Database(f"sqlite:///{path}", ring, clock, durable=False)
            try:
                yield _run(found, Bench(loaded=loaded, settings=settings, reading=reading, db=db, clock=clock))
            finally:
                db.close()


def _begins(test: RuleTest | PlaybookTest, loaded: Loaded) -> datetime:
    if isinstance(test, PlaybookTest):
        return test.at.replace(tzinfo=ZoneInfo(loaded.config.time_zone)).astimezone(UTC)
    return MONDAY - max((one.ago for one in test.before), default=timedelta(0))


def _run(found: Found, bench: Bench) -> Outcome:
    test = found.test
    if isinstance(test, PlaybookTest):
        return _played(found.place, test, bench)
    assert isinstance(test, RuleTest)
    before = 0
    given = [*sorted(test.before, key=lambda one: -one.ago), test.answer]
    for number, one in enumerate(given):
        at = MONDAY if one is test.answer else MONDAY - one.ago
        bench.clock.advance(at - bench.clock.now())
        with bench.db.write() as tx:
            before = intents.highest(tx)
            problem = _decide(tx, _response(one, number, at, bench.loaded), bench)
        if problem is not None:
            return Outcome(place=found.place, name=test.name, problem=problem)
    with bench.db.read() as tx:
        told = _told(tx, len(given), before)
    return Outcome(place=found.place, name=test.name, differences=tuple(_differences(test.expect, told)))


def _played(place: str, test: PlaybookTest, bench: Bench) -> Outcome:
    began = bench.clock.now()
    with bench.db.write() as tx:
        problem = _decide(tx, _response(test.answer, 0, began, bench.loaded), bench)
    if problem is not None:
        return Outcome(place=place, name=test.name, problem=problem)
    return Outcome(place=place, name=test.name, differences=tuple(playbook_differs(test.then, began, bench)))


def _response(one: GivenAnswer, number: int, at: datetime, loaded: Loaded) -> Response:
    survey = loaded.config.surveys[one.survey]
    mapping = loaded.survey_mappings[one.survey]
    kind, form = loaded.config.connections[survey.source].kind, survey.forms[0]
    sliced = {name: value for name, value in one.segments.items() if name in ABOUT}
    about: dict[str, str | None] = {name: getattr(one.about, name) or sliced.get(name) for name in ABOUT}
    who = one.person.model_dump()
    address, digits = who.pop("email") or "", who.pop("phone") or ""
    return Response(
        key=f"{kind}/{form}/{number + 1}",
        survey=one.survey,
        form=form,
        submitted_at=at - one.age,
        received_at=at,
        ratings=rated(one, loaded),
        comment=one.comment,
        respondent=Respondent(email=email(address), phone=phone(digits, mapping.phone_region), **who),
        interaction=Interaction(occurred_at=None, **about),
        segments=one.segments,
        consent=one.consent,
        language_hint=one.language,
    )


def _decide(tx: Transaction, answer: Response, bench: Bench) -> str | None:
    """Record and decide one answer; why not, where that failed."""
    understood = bench.reading.analyse(answer.comment, answer.language_hint)
    recorded = responses.record(tx, answer, understood, blinds=blinds_of(tx, answer))
    assert recorded.response_id is not None, "nobody is erased in an empty store"
    version = responses.get(tx, recorded.response_id)
    assert version is not None
    if decide_alone(tx, version, bench.settings) is VersionState.DECIDED:
        return None
    failed = responses.get(tx, recorded.response_id)
    return "it could not be decided" if failed is None or failed.reason is None else failed.reason


def _told(tx: Transaction, response_id: int, before: int) -> dict[str, Json]:
    """What is known of an answer now, by the names tests use; `before` is the last intent that was there before it."""
    version = responses.get(tx, response_id)
    assert version is not None
    entries = history.for_response(tx, response_id)
    matched = [name for event in ("decided", FIRED) for one in entries if one.event == event for name in _matched(one)]
    score = None if version.person_id is None else scores.latest(tx, version.person_id)
    # What operators are told belongs to nobody.
    rows = [row for row in outbox.listed(tx, limit=_MOST) if row.person_id is not None or row.response_id is not None]
    made = Counter(row.kind for row in rows if row.id > before)
    return {
        "unhappy": version.unhappy,
        "sentiment": version.understanding.sentiment.value,
        "language": version.understanding.language,
        "themes": [*sorted(version.understanding.themes)],
        "rules": matched,
        "recovery": _recovery(tx, response_id, version.response.key),
        "score": None if score is None else score.points,
        "band": None if score is None else score.band,
        **{name: made[kind] for name, kind in _COUNTED.items()},
    }


def _matched(entry: Entry) -> list[Json]:
    """The rules that matched, as an entry of the history says."""
    rulings = entry.detail["rules"] if isinstance(entry.detail, dict) else []
    assert isinstance(rulings, list)
    return [one["rule"] for one in rulings if isinstance(one, dict) and one["matched"]]


def _recovery(tx: Transaction, response_id: int, key: str) -> dict[str, Json] | None:
    """The recovery it belongs to, the worst where several playbooks have one."""
    mine = recoveries.of_response(tx, response_id)
    if not mine:
        return None
    worst = max(mine, key=lambda one: one.severity.rank)
    return {"playbook": worst.playbook, "severity": worst.severity.value, "joined": worst.opened_by != key}


def _differences(expected: Expected, found: dict[str, Json]) -> Iterator[tuple[str, Json, Json]]:
    for name, wanted in expected.model_dump(mode="json", exclude_unset=True).items():
        real = found[name]
        if isinstance(wanted, dict) and isinstance(real, dict):
            real = {key: real[key] for key in wanted}
        is_same = sorted(wanted) == real if name == "themes" and wanted is not None else wanted == real
        if not is_same:
            yield name, wanted, real
