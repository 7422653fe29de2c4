"""An event for another program: what is wanted, and where the receiver's truth shows whether it is there."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from connector.adapters.workflow import PROMISES, Options, Workflow
from connector.clock import VirtualClock
from connector.domain.model.intent import Intent, Json, WriteKind
from connector.ports import Writer
from connector.secret import Secret
from connector.simulator import workflow
from connector.testing.effect import Effect, Many, intent, nothing, word
from connector.testing.world import CALL_SECONDS, Stand, World
from connector.transport.kit import Kit
from tests.durability.effects import as_is

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

    def connect(kit: Kit) -> Writer:
        return Named("zap", options, kit)

    def key_works(works: bool) -> None:
        vendor.key_works = works

    return Stand(
        site=vendor.site,
        connect=connect,
        account=vendor,
        revoke=partial(key_works, False),
        readmit=partial(key_works, True),
        secrets=(workflow.SECRET, workflow.API_KEY),
    )


def receiver_that_forgets(clock: VirtualClock) -> Stand:
    return receiver(clock, forgetful=True)


def event() -> Intent:
    fields: dict[str, Json] = {"event": "unhappy", "data": {"rating": 1, "said": "Ada is unhappy"}}
    return intent(ACCOUNT, WriteKind.EVENT, "typeform/r1/event/unhappy/0/1", "response/typeform/r1/event/0/1", fields)


def one_event(number: int) -> Intent:
    fields: dict[str, Json] = {"event": "unhappy", "data": {"said": word(number)}}
    return intent(ACCOUNT, WriteKind.EVENT, f"event/{number}", f"response/x{number}/event", fields)


def events_held(world: World) -> list[Mapping[str, object]]:
    return [{"type": row["type"], "data": row["data"]} for row in world.held.get("event", {}).values()]


WORKFLOW: Mapping[str, Effect] = {
    "event": Effect(
        kind=WriteKind.EVENT,
        page="workflow",
        promise=PROMISES[WriteKind.EVENT],
        many=Many(seed=as_is, make=one_event),
        vendor=receiver,
        seed=nothing,
        wanted=[event()],
        calls="POST /catch/*",
        held=events_held,
        expected=[{"type": "unhappy", "data": {"rating": 1, "said": "Ada is unhappy"}}],
    )
}
