"""What a thousand answers cost in vendor calls, as shipped, tokens, polls and look-ups included.

Time is virtual here, so that waiting costs nothing. `make bench-calls` runs a real daemon and judges the seconds until
a ticket is there as well.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from benchmarks.calls import (
    ANSWERS,
    CRM_MOST,
    LINGER,
    PER_SECOND,
    UNHAPPY,
    ZENDESK_MOST,
    Figures,
    calls_of,
    delivery,
    people_in,
    seconds_to_tickets,
)
from connector.simulator.demo_world import crm_of
from tests.chaos.world import Vendors, World, silence

pytestmark = pytest.mark.slow


def with_little_linger(text: str) -> str:
    """Scores wait for company for a minute, as in the benchmark: none of the polls while nothing comes in counts."""
    assert "linger: 5m" in text
    return text.replace("linger: 5m", f"linger: {LINGER}")


@pytest.mark.parametrize("crm", sorted(CRM_MOST))
def test_calls_per_thousand_answers(tmp_path: Path, show: Callable[[str], None], crm: str) -> None:
    silence()
    dice = random.Random(3)
    unhappy = set(dice.sample(range(ANSWERS), round(UNHAPPY * ANSWERS)))
    with World(tmp_path, vendors=Vendors(crm=crm), rewrite=with_little_linger) as world:
        people = people_in(world.simulators, ANSWERS)
        began, due = world.clock.now(), {}
        for number, name in enumerate(people):
            at = began + timedelta(seconds=number / PER_SECOND)
            world.run(at)
            token = f"tok{number:05d}"
            body = delivery(token, name, at, dice, unhappy=number in unhappy)
            assert world.deliver("typeform", body.encode()) == 200
            if number in unhappy:
                due[token] = at
        while (now := world.status()).waiting:
            world.run_for(timedelta(seconds=5))
        assert now.responses == {"decided": ANSWERS}
        assert {state for state, count in now.intents.items() if count} <= {"confirmed", "superseded"}
        assert not world.troubles
        found = Figures(
            crm=crm_of(world.simulators).name,
            answers=ANSWERS,
            unhappy=len(unhappy),
            calls=calls_of(world.simulators),
            waits=seconds_to_tickets(world.simulators, due),
        )
    show(found.table())
    assert len(found.waits) == found.unhappy
    assert found.to_crm <= CRM_MOST[crm]
    assert found.to_zendesk <= ZENDESK_MOST
