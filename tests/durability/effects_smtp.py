"""A mail to a customer and one to the house: what is wanted, and where the server's truth shows whether it is there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

from connector.adapters.smtp import PROMISES, Options, Smtp
from connector.clock import VirtualClock
from connector.domain.model.intent import Intent, Json, WriteKind
from connector.ports import Writer
from connector.simulator import smtp
from connector.testing.effect import Effect, Held, Many, intent, nothing, word
from connector.testing.world import CALL_SECONDS, Stand, World
from connector.transport.kit import Kit
from tests.durability.effects import as_is

NOBODY = "nobody@example.com"
WANTED: dict[str, Json] = {"to": "ada@example.com", "subject": "We are sorry", "text": "Ada, we are sorry."}


def options_of(vendor: smtp.Smtp, **more: object) -> Options:
    plain = {
        "host": "127.0.0.1",
        "port": vendor.port,
        "security": "none",
        "user": smtp.USER,
        "password": smtp.PASSWORD,
        "from": "care@shop.example.com",
        "timeout": CALL_SECONDS,
    }
    return Options.model_validate({**plain, **more})


ACCOUNT = "smtp:127.0.0.1/78c1a029"


def server(clock: VirtualClock) -> Stand:
    vendor = smtp.Smtp(clock)
    vendor.unknown.add(NOBODY)
    vendor.start()

    def connect(kit: Kit) -> Writer:
        return Smtp("mail", options_of(vendor), kit)

    def password_works(works: bool) -> None:
        vendor.password_works = works

    return Stand(
        site=vendor.site,
        connect=connect,
        account=vendor,
        revoke=partial(password_works, False),
        readmit=partial(password_works, True),
        secrets=(smtp.PASSWORD,),
    )


def one_message(number: int) -> Intent:
    fields = {**WANTED, "text": word(number)}
    return intent(ACCOUNT, WriteKind.MESSAGE, f"message/{number}", f"recovery/{number}/message/0", fields)


def one_alert(number: int) -> Intent:
    fields: dict[str, Json] = {"channel": "shift@example.com", "text": word(number)}
    return intent(ACCOUNT, WriteKind.ALERT, f"alert/{number}", f"response/{number}/alert/0", fields)


def to_nobody(field: str) -> Callable[[Intent], Intent]:
    """The same mail to somebody the server does not know."""

    def change(wanted: Intent) -> Intent:
        return replace(wanted, fields={**wanted.fields, field: NOBODY})

    return change


def delivered(world: World) -> Held:
    return [{name: mail[name] for name in ("to", "subject", "text")} for mail in world.held.get("mail", {}).values()]


_MESSAGE = Effect(
    kind=WriteKind.MESSAGE,
    page="smtp",
    promise=PROMISES[WriteKind.MESSAGE],
    many=Many(seed=as_is, make=one_message, refuse=to_nobody("to"), named="to"),
    vendor=server,
    seed=nothing,
    wanted=[intent(ACCOUNT, WriteKind.MESSAGE, "typeform/r1/recovery/0/1/message", "recovery/3/message/1", WANTED)],
    calls="MAIL /*",
    held=delivered,
    expected=[WANTED],
)
SMTP: Mapping[str, Effect] = {
    "message": _MESSAGE,
    "alert": replace(
        _MESSAGE,
        kind=WriteKind.ALERT,
        promise=PROMISES[WriteKind.ALERT],
        many=Many(seed=as_is, make=one_alert, refuse=to_nobody("channel"), named="to"),
        wanted=[
            intent(
                ACCOUNT,
                WriteKind.ALERT,
                "typeform/r1/alert/0/1",
                "response/typeform/r1/alert/0",
                {"channel": "shift@example.com", "text": "Ada is unhappy"},
            )
        ],
        expected=[{"to": "shift@example.com", "subject": "Ada is unhappy", "text": "Ada is unhappy"}],
    ),
}
