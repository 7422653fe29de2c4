"""Three daemons on one PostgreSQL, as on three machines: killed and paused, they leave what one alone leaves."""

from __future__ import annotations

import random
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path

import pytest

from connector.clock import SystemClock
from connector.store import lanes
from connector.store.keyring import KeyRing
from connector.testing.rehearsal import Rehearsal
from tests import stores
from tests.acceptance.answers import typeform_delivery
from tests.acceptance.holdings import Thing, held
from tests.acceptance.stages import ROOT, Stage, staged
from tests.acceptance.test_kill import ANGRY, KIND_WORDS, wait_for_mirrors

pytestmark = pytest.mark.slow

ROUNDS = 8
TIMEOUT = "8"
PAUSE = 6.0  # longer than the lease of a lane that calls nobody


def test_what_three_daemons_leave_is_what_one_leaves_whoever_is_killed_or_paused(tmp_path: Path) -> None:
    key, began, clock = KeyRing.generate(), SystemClock().now(), SystemClock()
    with stores.on("postgresql"):
        disturbed = _three(tmp_path / "three", key, began, clock)
        undisturbed = _alone(tmp_path / "alone", key, began)
    missing, extra = Counter(undisturbed) - Counter(disturbed), Counter(disturbed) - Counter(undisturbed)
    assert not missing, sorted(missing)
    assert not extra, sorted(extra)


def _alone(folder: Path, key: str, began: datetime) -> list[Thing]:
    with _stage(folder, key) as stage:
        stage.rehearsal.start()
        wait_for_mirrors(stage)
        for body in _answers(stage, began):
            assert stage.rehearsal.deliver("typeform", body.encode()) == 200
        return _rest(stage, [stage.rehearsal])


def _three(folder: Path, key: str, began: datetime, clock: SystemClock) -> list[Thing]:
    dice = random.Random(4)
    with _stage(folder, key) as stage, ExitStack() as stack:
        daemons = [stage.rehearsal, *(_another(stage, folder / name) for name in ("second", "third"))]
        for each in daemons:
            stack.callback(each.stop, kill=True)
            stack.callback(each.close)
            each.launch()
        for each in daemons:
            each.wait_until_ready()
        wait_for_mirrors(stage)
        bodies = list(_answers(stage, began))
        for number, body in enumerate(bodies):
            if number == len(bodies) // 4:
                killed, paused = dice.sample(daemons, 2)
                killed.stop(kill=True)
                paused.signal(signal.SIGSTOP)
                left = [each for each in daemons if each not in (killed, paused)]
                stopped_at = clock.monotonic()
            if number == len(bodies) // 2:
                left[0].pause(max(0.0, PAUSE - (clock.monotonic() - stopped_at)))
                paused.signal(signal.SIGCONT)
                killed.start()
                left = daemons
            among = daemons if number < len(bodies) // 4 else left
            assert among[number % len(among)].deliver("typeform", body.encode()) == 200
        return _rest(stage, daemons)


@contextmanager
def _stage(folder: Path, key: str) -> Iterator[Stage]:
    overrides = {f"CONNECTOR__CONNECTIONS__{name}__TIMEOUT": TIMEOUT for name in ("SALESFORCE", "ZENDESK", "SLACK")}
    overrides |= {"CONNECTOR_KEY": key, "CONNECTOR__STORE": stores.store_url(folder)}
    with staged(folder, overrides=overrides, dated=False) as stage:
        yield stage


def _another(stage: Stage, folder: Path) -> Rehearsal:
    """A daemon on another machine: the same configuration and store, a folder and an address of its own."""
    overrides = {
        name: text
        for name, text in stage.rehearsal.environ.items()
        if name.startswith("CONNECTOR") and name != "CONNECTOR__LISTEN"
    }
    return Rehearsal(folder, ROOT, stage.simulators, SystemClock(), overrides=overrides)


def _answers(stage: Stage, began: datetime) -> Iterator[str]:
    """Everybody answers once: an unhappy and a happy customer and a stranger in each round."""
    known = [person for person in stage.world.people if person.contact_id is not None]
    for number in range(ROUNDS):
        angry, happy = known[2 * number], known[2 * number + 1]
        yield _answer(f"ang{number}", began, angry.email, 1, 0, ANGRY, {"service": "brakes"})
        yield _answer(f"hap{number}", began, happy.email, 5, 10, KIND_WORDS, {"service": "tyres"})
        named = {"name": f"New {number}"}
        yield _answer(f"new{number}", began, f"new.{number}@example.com", 4, 9, KIND_WORDS, named)


def _answer(token: str, at: datetime, email: str, csat: int, nps: int, said: str, hidden: dict[str, str]) -> str:
    answers: list[dict[str, object]] = [
        {"type": "number", "number": csat, "field": {"id": "f1", "ref": "csat", "type": "opinion_scale"}},
        {"type": "number", "number": nps, "field": {"id": "f2", "ref": "recommend", "type": "nps"}},
        {"type": "text", "text": said, "field": {"id": "f3", "ref": "why", "type": "long_text"}},
    ]
    return typeform_delivery("aB3dE9", token, at, answers, {"email": email, **hidden})


def _rest(stage: Stage, daemons: list[Rehearsal]) -> list[Thing]:
    """Everything is accounted for; returns what the vendors hold."""
    now = stage.rehearsal.settle(90)
    unwell = {state: number for state, number in now.intents.items() if state not in {"confirmed", "superseded"}}
    assert not any(unwell.values()), unwell
    assert now.responses == {"decided": 3 * ROUNDS}
    assert sum(now.recoveries.values()) == ROUNDS
    assert now.accepted == sum(now.deliveries.values()) + now.duplicates
    for each in daemons:
        assert each.stop() == 0
    with stage.rehearsal.db.read() as tx:
        assert lanes.owners(tx) == {}
    return held(stage.simulators)
