"""Typeform holds what every source of answers must hold."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial

from connector.adapters.typeform import Options, Typeform
from connector.clock import VirtualClock
from connector.domain.model.intent import Json
from connector.ports import Hook
from connector.ports.erasing import Subject
from connector.secret import Secret
from connector.simulator import typeform as simulator
from connector.simulator.typeform import SECRET, SERVICE, TOKEN, encode, payload, sign
from connector.testing.answers import Answers, PollingSuite, SourceSuite
from connector.testing.feeds import Feed
from connector.testing.forgetting import ErasingSuite, Forgetting
from connector.testing.world import START, Stand
from connector.transport.grants import MemoryTokens
from connector.transport.kit import Kit

HALF_AN_HOUR = timedelta(minutes=30)


def adapter(kit: Kit, base_url: str = "https://api.typeform.com") -> Typeform:
    options = Options(webhook_secret=[Secret(SECRET)], api_token=Secret(TOKEN), base_url=base_url)
    return Typeform("forms", options, kit)


def unconnected() -> Typeform:
    clock = VirtualClock(START)
    return adapter(Kit(clock=clock, token_store=MemoryTokens(clock)))


def body(token: str, values: Mapping[str, Json], submitted_at: str) -> bytes:
    """As Typeform sends it; a skipped question is left out."""
    answers = [
        {"field": {"id": ref, "ref": ref, "type": "long_text"}, "type": "text", "text": value}
        for ref, value in values.items()
    ]
    response = {"form_id": "f", "token": token, "submitted_at": submitted_at, "answers": answers}
    return json.dumps({"event_id": "e", "event_type": "form_response", "form_response": response}).encode()


def hook(raw: bytes, at: datetime) -> Hook:
    headers = {"typeform-signature": sign(SECRET, raw)}
    return Hook(method="POST", path="/hooks/forms", headers=headers, body=raw, received_at=at)


def account(clock: VirtualClock) -> Stand:
    vendor = simulator.Typeform(clock)
    url = vendor.site.start()

    def hide(lag: timedelta) -> None:
        vendor.responses.lag = lag

    def token_works(works: bool) -> None:
        vendor.account.token_works = works

    return Stand(
        site=vendor.site,
        account=vendor,
        connect=lambda kit: adapter(kit, url),
        hide=hide,
        revoke=partial(token_works, False),
        readmit=partial(token_works, True),
        secrets=(TOKEN,),
    )


def add(stand: Stand, number: int) -> str:
    vendor = stand.account
    assert isinstance(vendor, simulator.Typeform)
    event = payload(SERVICE, {"csat": 2}, token=f"answer{number}", submitted_at=vendor.clock.now())
    return vendor.responses.add(event)


FEED = Feed(
    page="typeform",
    vendor=account,
    read=lambda source, cursor: source.responses_since(SERVICE.id, cursor, None),
    id_of=lambda raw: unconnected().read(raw).id,  # type: ignore[union-attr]  # what is fetched is an answer
    add=add,
    calls="GET /forms/*/responses",
    lag=HALF_AN_HOUR,
)


def two_answers(vendor: simulator.Typeform) -> Subject:
    for token in ("theirs", "strangers"):
        vendor.responses.add(payload(SERVICE, {"csat": 2}, token=token, submitted_at=START))
    return Subject(responses=(f"typeform/{SERVICE.id}/theirs",))


class TestSource(SourceSuite):
    cases = {
        "answers": Answers(page="typeform", connect=unconnected, body=body, sign=hook, imports=True, secrets=(SECRET,))
    }


class TestPolling(PollingSuite):
    cases = {"answers": FEED}


class TestErasing(ErasingSuite):
    cases = {
        "answers": Forgetting(
            page="typeform",
            feed=FEED,
            seed=two_answers,
            knows=lambda vendor: json.dumps(encode_all(vendor)),
            gone=("theirs",),
            stays="strangers",
        )
    }


def encode_all(vendor: simulator.Typeform) -> list[str]:
    return [encode(item).decode() for item in vendor.responses.kept.values()]
