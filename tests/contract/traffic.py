"""What our adapters really say to a vendor, and what its simulator answers: everything each of them can do, once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qsl

from connector.adapters.jira import Jira
from connector.adapters.slack import Slack
from connector.adapters.zendesk import Zendesk
from connector.clock import VirtualClock
from connector.domain.model.account import Demand, FieldUse
from connector.domain.model.intent import WriteKind
from connector.errors import RemoteError
from connector.ports.erasing import Erasing
from connector.simulator import jira, zendesk
from connector.simulator.parts import Call
from connector.simulator.wire import Sent
from connector.testing.effect import SECOND, Effect
from connector.testing.forgetting import carry_out
from connector.testing.trials import world_of
from connector.testing.world import Stand, World
from tests.contract.description import Exchange
from tests.durability.effects import SLACK, ZENDESK
from tests.durability.effects_jira import JIRA

DEMAND = Demand(
    connection="desk",
    fields=[FieldUse(kind=WriteKind.TICKET, name="custom_field_360001")],
    statuses=frozenset({"Being won back"}),
    groups=frozenset({"Nobody's group"}),
    channels=frozenset({"#csat-ops", "#nowhere"}),
    tags=("csat-recovery", "csat"),
    hook_url="https://csat.example.com/hooks/desk",
)


class Recorder:
    """Keeps every exchange of the stands it made. Pages for people and the control endpoints are none."""

    def __init__(self) -> None:
        self.exchanges: list[Exchange] = []

    def watching(self, vendor: Callable[[VirtualClock], Stand]) -> Callable[[VirtualClock], Stand]:
        """The same vendor, watched."""

        def make(clock: VirtualClock) -> Stand:
            stand = vendor(clock)
            stand.site.on_exchange = self._keep
            return stand

        return make

    def _keep(self, call: Call, sent: Sent) -> None:
        is_form = call.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
        body = dict(parse_qsl(call.body.decode())) if is_form else json.loads(call.body or b"null")
        exchange = Exchange(
            method=call.method,
            path=call.path,
            query=call.query,
            body=body,
            status=sent.status,
            reply=json.loads(sent.body or b"null"),
        )
        self.exchanges.append(exchange)


def zendesk_traffic(folder: Path) -> list[Exchange]:
    """Every write, question, feed and erasure, and what `check --live`, `setup` and `webhooks` do."""
    recorder = Recorder()
    for effect, world in _worlds(ZENDESK, recorder, folder):
        _use(world, effect)
    with world_of(_watched(ZENDESK["note"], recorder), _folder(folder, "rest")) as world:
        desk, account = world.writer.inner, world.stand.account
        assert isinstance(desk, Zendesk)
        assert isinstance(account, zendesk.Zendesk)
        ids = list(world.names.values())
        world.advance(120 * SECOND)
        page = desk.tickets_since(None)
        desk.tickets_since(page.cursor)
        desk.read_tickets(ids)
        desk.worked_on(ids)
        account.human_update(int(ids[0]), status="solved")
        desk.describe(DEMAND.names)
        desk.inspect(DEMAND)
        for change in desk.wanted(DEMAND):
            if not change.only_by_hand:
                desk.apply(change)
        for change in desk.hook_changes(DEMAND):
            desk.install(change)
        desk.hooks(DEMAND)
    return recorder.exchanges


def slack_traffic(folder: Path) -> list[Exchange]:
    """Every message, question and erasure, and what `check --live` does."""
    recorder = Recorder()
    for effect, world in _worlds(SLACK, recorder, folder):
        _use(world, effect)
        app = world.writer.inner
        assert isinstance(app, Slack)
        app.inspect(DEMAND)
    return recorder.exchanges


def jira_traffic(folder: Path) -> list[Exchange]:
    """Every issue, transition, comment and question, how issues are read, and what `check --live` does."""
    recorder = Recorder()
    for effect, world in _worlds(JIRA, recorder, folder):
        _use(world, effect)
        tracker, account = world.writer.inner, world.stand.account
        assert isinstance(tracker, Jira)
        assert isinstance(account, jira.Jira)
        tracker.read_issues([*account.issues, "4711"])
        tracker.inspect(DEMAND)
    return recorder.exchanges


TRAFFIC: Mapping[str, Callable[[Path], list[Exchange]]] = {
    "zendesk": zendesk_traffic,
    "slack": slack_traffic,
    "jira": jira_traffic,
}


def _worlds(effects: Mapping[str, Effect], recorder: Recorder, folder: Path) -> Iterator[tuple[Effect, World]]:
    for number, effect in enumerate(effects.values()):
        with world_of(_watched(effect, recorder), _folder(folder, str(number))) as world:
            yield effect, world


def _watched(effect: Effect, recorder: Recorder) -> Effect:
    return replace(effect, vendor=recorder.watching(effect.vendor))


def _folder(folder: Path, name: str) -> Path:
    made = folder / name
    made.mkdir()
    return made


def _use(world: World, effect: Effect) -> None:
    """Everything that can be done with one kind of write."""
    for wanted in (effect.wanted, effect.newer, [effect.dated.wanted] if effect.dated else []):
        world.plan(wanted)
        world.come_to_rest()
    if effect.promise.can_ask:
        world.writer.ask(effect.kind, [world.item(one) for one in effect.wanted])
    if effect.many is not None:
        effect.many.seed(world, 3)
        several = [effect.many.make(number) for number in range(3)]
        if effect.many.refuse is not None:
            several[1] = effect.many.refuse(several[1])
        world.plan(several)
        world.come_to_rest()
    writer = world.writer.inner
    if effect.erase is not None and isinstance(writer, Erasing):
        with suppress(RemoteError):
            carry_out(writer, effect.erase(world), world.advance)
