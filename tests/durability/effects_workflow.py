"""An event for another program: what is wanted, and where the receiver's truth shows whether it is there."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from connector.adapters.workflow import Options, Workflow
from connector.clock import VirtualClock
from connector.domain.model.intent import Intent, Json, WriteKind
from connector.ports import TokenStore, Writer
from connector.secret import Secret
from connector.simulator import workflow
from connector.transport.kit import Kit
from tests.durability.effects import Effect, intent, nothing
from tests.durability.world import CALL_SECONDS, Stand, World

ACCOUNT = "workflow:127.0.0.1/sample"


class Named(Workflow):
    """The receiver's account holds a digest of its address, of which the port is another each time."""

    def __init__(self, name: str, options: Options, kit: Kit) -> None:
        super().__init__(name, options, kit)
        self.account = ACCOUNT


def receiver(clock: VirtualClock, *, forgetful: bool = False) -> Stand:
    vendor = workflow.Workflow(clock, forgetful=forgetful)
    vendor.start()
    options = Options(
        url=Secret(vendor.url),
        secret=Secret(workflow.SECRET),
        headers={"X-Api-Key": Secret(workflow.API_KEY)},
        timeout=CALL_SECONDS,
    )

    def connect(clock: VirtualClock, tokens: TokenStore) -> Writer:
        return Named("zap", options, Kit(clock=clock, token_store=tokens))

    def hide(lag: timedelta) -> None:
        """A receiver is asked nothing."""

    return Stand(site=vendor.site, hide=hide, connect=connect, account=vendor)


def receiver_that_forgets(clock: VirtualClock) -> Stand:
    return receiver(clock, forgetful=True)


def event() -> Intent:
    fields: dict[str, Json] = {"event": "unhappy", "data": {"rating": 1, "said": "Ada is unhappy"}}
    return intent(ACCOUNT, WriteKind.EVENT, "typeform/r1/event/unhappy/0/1", "response/typeform/r1/event/0/1", fields)


def events_held(world: World) -> list[Mapping[str, object]]:
    return [{"type": row["type"], "data": row["data"]} for row in world.held.get("event", {}).values()]


WORKFLOW: Mapping[str, Effect] = {
    "event": Effect(
        kind=WriteKind.EVENT,
        page="workflow",
        vendor=receiver,
        seed=nothing,
        wanted=[event()],
        calls="POST /catch/*",
        held=events_held,
        expected=[{"type": "unhappy", "data": {"rating": 1, "said": "Ada is unhappy"}}],
    )
}
