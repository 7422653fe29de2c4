"""Every refusal of the Typeform simulator's API, provoked by the bad request itself; and what it takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from connector.simulator.typeform import SERVICE, TOKEN, Typeform, payload
from connector.simulator.typeform_site import REFUSALS
from tests.unit.simulator_calls import Caller, Got, calling, new_clock

HOOK = f"/forms/{SERVICE.id}/webhooks/csat"
URL = "http://127.0.0.1:9/hooks/typeform"
Case = Callable[["Rig"], Got]


class Rig:
    """A running account and a caller with its token."""

    def __init__(self, typeform: Typeform, caller: Caller) -> None:
        self.typeform = typeform
        self.caller = caller
        caller.token = TOKEN

    def put(self, path: str = HOOK, **webhook: Any) -> Got:
        return self.caller.send("PUT", path, {"url": URL, **webhook})


@pytest.fixture
def rig() -> Iterator[Rig]:
    typeform = Typeform(new_clock())
    with calling(typeform.site.start()) as caller:
        yield Rig(typeform, caller)
    typeform.site.stop()


def stranger(rig: Rig) -> Got:
    rig.caller.token = "tfp_other"
    return rig.put()


def unscoped(rig: Rig) -> Got:
    rig.typeform.account.scopes = frozenset({"forms:read"})
    return rig.put()


def too_fast(rig: Rig) -> Got:
    for _ in range(2):
        assert rig.caller.send("GET", "/me").status == 200
    return rig.put()


CASES: dict[str, Case] = {
    "token": stranger,
    "scope": unscoped,
    "throttled": too_fast,
    "unknown-route": lambda rig: rig.caller.send("GET", "/form/x"),
    "unknown-method": lambda rig: rig.caller.send("POST", HOOK, {}),
    "no-form": lambda rig: rig.caller.send("GET", "/forms/missing"),
    "no-webhook": lambda rig: rig.caller.send("GET", HOOK),
    "json": lambda rig: rig.caller.send("PUT", HOOK, raw="{"),
    "property": lambda rig: rig.put(enabled="yes"),
    "url": lambda rig: rig.put(url="nowhere"),
    "tag": lambda rig: rig.put(f"/forms/{SERVICE.id}/webhooks/a.b"),
}


@pytest.mark.parametrize("refusal", REFUSALS)
def test_typeform_refuses(rig: Rig, refusal: str) -> None:
    got = CASES[refusal](rig)
    row = REFUSALS[refusal]
    assert (got.status, got.data["code"]) == (row.status, row.code)
    assert rig.typeform.site.requests.entries()[-1].refusal == refusal
    assert not rig.typeform.account.webhooks, "a refused request changes nothing"


def test_no_case_is_left_over() -> None:
    assert set(CASES) == set(REFUSALS)


def test_a_webhook_that_was_put_gets_the_events_and_is_shown_without_its_secret(rig: Rig) -> None:
    assert rig.put(enabled=True, secret="hush").status == 200
    shown = rig.caller.send("GET", f"/forms/{SERVICE.id}/webhooks").data["items"]
    assert [(one["tag"], one["url"], one["enabled"]) for one in shown] == [("csat", URL, True)]
    assert "hush" not in str(shown)
    event = payload(SERVICE, {"csat": 1}, token="t1", submitted_at=rig.typeform.clock.now())
    attempt = rig.typeform.send(event)
    assert attempt is not None
    assert attempt.status == 0, "nobody listens there"


def test_a_form_is_shown_with_its_scale_and_hidden_fields(rig: Rig) -> None:
    shown = rig.caller.send("GET", f"/forms/{SERVICE.id}").data
    assert shown["hidden"] == list(SERVICE.hidden)
    assert shown["fields"][0]["properties"] == {
        "steps": 5,
        "start_at_one": True,
        "labels": {"left": "Not at all", "right": "Very"},
    }


def test_somebody_fills_in_a_form_through_the_control_endpoint(rig: Rig) -> None:
    body = {"form": SERVICE.id, "answers": {"csat": 1, "why": "Too slow"}, "hidden": {"email": "ada@example.com"}}
    assert rig.caller.send("POST", "/__simulator__/do/answer", body).data == 0, "no webhook yet"
    rig.put(enabled=True)
    assert rig.caller.send("POST", "/__simulator__/do/answer", body).data == 0, "nobody listens there"
    assert len(rig.typeform.attempts) == 1
    refused = rig.caller.send("POST", "/__simulator__/do/answer", {**body, "answers": {"stars": 1}})
    assert refused.status == 400
