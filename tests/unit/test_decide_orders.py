"""Order, repetition and names in the YAML do not change what is decided."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.clock import VirtualClock
from connector.domain.model.intent import WriteKind
from connector.domain.model.response import Interaction, Respondent, Response
from connector.store import people, responses, scores
from connector.store.database import Database
from connector.store.intents import IntentRow
from connector.store.responses import VersionState
from connector.sync.settings import DecideSettings, OpenRecovery, SendAlert, TaskStep, TicketStep
from tests.unit.deciding import decide_all, example_settings, feed, known_contact, planned
from tests.unit.samples import NOON, answer, empty_store

PEOPLE = ("ada@example.org", "bob@example.org", "cleo@example.org")


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    store = empty_store(tmp_path, VirtualClock(NOON))
    yield store
    store.close()


def said(number: int, who: int, stars: int, minutes: int, *, by_contact_id: bool) -> Response:
    known = Respondent(crm_id=f"003{who}") if by_contact_id else Respondent(email=PEOPLE[who])
    return answer(
        str(number),
        stars=stars,
        respondent=known,
        at=NOON - timedelta(minutes=minutes, days=number % 3),
        interaction=Interaction(id=f"R-{number}", kind="repair_order", service="tyres"),
        segments={"service": "tyres"},
    )


answers = st.lists(
    st.tuples(st.integers(0, 2), st.integers(1, 5), st.integers(1, 200), st.booleans()), min_size=2, max_size=7
).map(
    lambda rows: [said(n, who, stars, minutes, by_contact_id=how) for n, (who, stars, minutes, how) in enumerate(rows)]
)

pytestmark = pytest.mark.slow  # `make quick` leaves it to `make test`


def outcome(order: list[Response], batches: int) -> tuple[dict[str, object], set[str], dict[str, list[str]]]:
    """Scores by the answer's key, keys of intents that do not depend on who came first, recoveries' ticket owners."""
    with tempfile.TemporaryDirectory() as folder:
        db = empty_store(Path(folder), VirtualClock(NOON))
        for number, email in enumerate(PEOPLE):
            known_contact(db, f"003{number}", email=email)
        for start in range(0, len(order), batches):
            feed(db, *order[start : start + batches])
            decide_all(db, example_settings())
        rows = planned(db)
        found: dict[str, object] = {}
        with db.read() as tx:
            for one in order:
                response_id = responses.find(tx, one.key)
                assert response_id is not None
                version = responses.get(tx, response_id)
                assert version is not None
                assert version.state is VersionState.DECIDED
                assert version.person_id is not None
                latest = scores.latest(tx, people.survivor(tx, version.person_id))
                assert latest is not None
                found[one.key] = (latest.hundredths, latest.band, latest.contributions, latest.answers)
        db.close()
    steady = {row.key for row in rows if row.kind is WriteKind.ACTIVITY}
    opened = {kind.value: sorted(_owner(row) for row in rows if row.kind is kind) for kind in _JOINED}
    return found, steady, opened


_JOINED = (WriteKind.TICKET, WriteKind.TASK)


def _owner(row: IntentRow) -> str:
    """Whose recovery it is: which of the person's answers opened it depends on who came first."""
    return str(row.fields.get("requester_email") or row.fields.get("Subject") or "")[:3]


@settings(max_examples=15, deadline=None)
@given(answers, st.randoms(use_true_random=False), st.integers(1, 3))
def test_shuffled_deliveries_end_in_the_same_scores_and_effects(
    given_answers: list[Response], dice: object, batches: int
) -> None:
    shuffled = list(given_answers)
    dice.shuffle(shuffled)  # type: ignore[attr-defined]  # a random.Random
    straight, other = outcome(given_answers, len(given_answers)), outcome(shuffled, batches)
    assert straight[0] == other[0]
    assert straight[1] == other[1]
    assert straight[2] == other[2]


def renamed(given_settings: DecideSettings) -> DecideSettings:
    """Other names for connections, rules and playbooks, and rules and actions in another order."""
    new = {name: f"new-{name}" for name in given_settings.targets}
    rules = tuple(
        replace(
            rule,
            name=f"new {rule.name}",
            actions=tuple(
                replace(action, playbook="another-name")
                if isinstance(action, OpenRecovery)
                else replace(action, connection=new[action.connection])
                for action in reversed(rule.actions)
            ),
        )
        for rule in reversed(given_settings.rules)
    )
    book = given_settings.playbooks["service-recovery"]
    steps = tuple(
        replace(step, connection=new[step.connection]) if isinstance(step, TicketStep | TaskStep) else step
        for step in book.steps
    )
    assert given_settings.score is not None
    return replace(
        given_settings,
        targets={new[name]: target for name, target in given_settings.targets.items()},
        rules=rules,
        playbooks={"another-name": replace(book, steps=steps)},
        answers_to=tuple(new[name] for name in given_settings.answers_to),
        score=replace(
            given_settings.score,
            write_to=tuple(new[name] for name in given_settings.score.write_to),
            signals=tuple(
                replace(signal, connection=new[signal.connection]) for signal in given_settings.score.signals
            ),
        ),
        operators=None,
    )


def test_everything_again_after_renaming_plans_nothing_new(db: Database) -> None:
    everything = [
        answer("1"),
        answer("2", stars=5, email="bob@example.org"),
        answer("3", stars=1, interaction=Interaction(id="99", kind="ticket")),
    ]
    feed(db, *everything)
    decide_all(db, example_settings())
    before = {row.key for row in planned(db)}
    feed(db, *everything, *reversed(everything))
    decide_all(db, renamed(example_settings()))
    assert {row.key for row in planned(db)} == before
    with db.read() as tx:
        assert responses.counts(tx) == {"decided": 3}


def test_no_key_and_no_object_holds_a_name_of_the_yaml(db: Database) -> None:
    feed(db, answer("1"), answer("2", stars=5, interaction=Interaction(id="99", kind="ticket")))
    decide_all(db, renamed(example_settings()))
    rows = planned(db)
    assert rows
    assert not [row.key for row in rows if "new" in row.key or "another" in row.key or "unhappy" in row.key]
    assert not [row.object for row in rows if "new" in row.object or "another" in row.object]


def test_the_keys_are_the_same_in_a_store_that_lost_its_row_ids(db: Database, tmp_path: Path) -> None:
    feed(db, answer("x", email="first@example.org", interaction=Interaction()), answer("1"))
    decide_all(db, example_settings())
    mine = {row.key for row in planned(db) if "/x/" not in row.key}
    (tmp_path / "other").mkdir()
    restored = empty_store(tmp_path / "other", VirtualClock(NOON))
    feed(restored, answer("1"))
    decide_all(restored, example_settings())
    kept = {row.key for row in planned(restored)}
    restored.close()
    assert kept <= mine


def test_an_alert_of_a_rule_is_one_message_for_each_action(db: Database) -> None:
    base = example_settings()
    alert = next(action for rule in base.rules for action in rule.actions if isinstance(action, SendAlert))
    both = tuple(replace(rule, actions=(alert, alert)) for rule in base.rules[:1])
    feed(db, answer())
    decide_all(db, replace(base, rules=both))
    assert len({row.key for row in planned(db, WriteKind.ALERT)}) == 2
