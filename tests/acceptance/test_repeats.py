"""Everything again, three times, shuffled, and once more under other names: nothing is written twice."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from connector.cli.demo import play
from connector.simulator.demo_input import Delivery
from tests.acceptance.stages import good, staged, writes

pytestmark = pytest.mark.slow

RENAMED = {
    "  typeform:\n": "  forms_tool:\n",
    "from: typeform": "from: forms_tool",
    "  zendesk:\n": "  helpdesk:\n",
    "from: zendesk": "from: helpdesk",
    "connection: zendesk": "connection: helpdesk",
    "  slack:\n": "  chat:\n",
    "connection: slack": "connection: chat",
}
CRMS = {
    "  {}:\n": "  crm:\n",
    "from: {}": "from: crm",
    "connection: {}": "connection: crm",
    "to: [{}]": "to: [crm]",
    "[{}, zendesk]": "[helpdesk, crm]",
}
REORDERED = """rules:
  - name: dangerous work
    when: unhappy and critical and sentiment != "positive"
    do:
      - notify: {connection: chat, channel: "#csat-safety", text: "{{ rating }} {{ ticket.url }}"}
      - {open_recovery: service-recovery, severity: critical}
  - name: not happy
    when: unhappy
    do:
      - {open_recovery: service-recovery}
"""


@pytest.mark.parametrize("crm", ["salesforce", "hubspot"])
def test_repeats_write_nothing_even_under_other_names(tmp_path: Path, crm: str) -> None:
    with staged(tmp_path / "stage", crm=crm) as stage:
        before = stage.rehearsal
        before.start()
        play(before, stage.world)
        first = before.status()
        accepted = first.accepted
        written = writes(stage.simulators)
        assert len(written) > 100
        again = good(stage.world.deliveries) * 3
        random.Random(5).shuffle(again)

        statuses = set(_all_at_once(lambda one: before.deliver(one.hook, one.body.encode()), again))

        assert statuses == {200}
        now = before.settle()
        assert now.accepted == accepted + len(again)
        assert now.duplicates == first.duplicates + len(again)
        assert now.responses == first.responses
        assert writes(stage.simulators) == written
        assert before.stop() == 0

        text = before.config.read_text()
        start, end = text.index("rules: "), text.index("calendars:")
        after = stage.again(
            rewrite={
                text[start:end]: REORDERED + "\n",
                **{before.format(crm): after for before, after in CRMS.items()},
                **RENAMED,
            },
            rename={"typeform": "forms_tool", crm: "crm", "zendesk": "helpdesk", "slack": "chat"},
        )
        with after:
            renamed = {"typeform": "forms_tool", "inhouse": "inhouse"}
            statuses = set(_all_at_once(lambda one: after.deliver(renamed[one.hook], one.body.encode()), again))
            assert statuses == {200}
            after.settle()
            after.pause(3)  # whatever would be written by mistake lingers two seconds
            now = after.settle()
            assert now.accepted == accepted + 2 * len(again)
            assert now.duplicates == first.duplicates + 2 * len(again)
            assert now.responses == first.responses
        assert writes(stage.simulators) == written


def _all_at_once(post: Callable[[Delivery], int], deliveries: Sequence[Delivery]) -> Iterable[int]:
    """As many senders as a commit can take together: one after another waits for the disk each time."""
    with ThreadPoolExecutor(max_workers=16) as senders:
        return list(senders.map(post, deliveries))
