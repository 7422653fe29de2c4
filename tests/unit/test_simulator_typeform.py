"""Answers as Typeform sends them, and its patience with those who do not take them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest

from connector.clock import SystemClock, VirtualClock
from connector.simulator import slack, zendesk
from connector.simulator.suite import start_all
from connector.simulator.typeform import DESK, SERVICE, Typeform, encode, payload, sign
from tests.unit.simulator_calls import calling, new_clock
from tests.unit.test_simulator_zendesk import Inbox


@contextmanager
def receiving(*statuses: int) -> Iterator[tuple[Inbox, str]]:
    with Inbox(list(statuses)) as inbox:
        threading.Thread(target=inbox.serve_forever, args=(0.01,), daemon=True).start()
        yield inbox, f"http://127.0.0.1:{inbox.server_port}/hooks/typeform"
        inbox.shutdown()


def event(clock: VirtualClock) -> dict[str, object]:
    answers = {"csat": 2, "why": "Bremse quietscht", "mail": None}
    return payload(SERVICE, answers, token="t1", submitted_at=clock.now(), hidden={"service": "brakes"})


def test_an_answer_has_the_vendors_shape() -> None:
    response = event(new_clock())["form_response"]
    assert isinstance(response, dict)
    assert [answer["field"]["ref"] for answer in response["answers"]] == ["csat", "why"], "skipped ones are absent"
    first = response["answers"][0]
    assert (first["type"], first["number"], first["field"]["type"]) == ("number", 2, "opinion_scale")
    assert response["hidden"] == {"service": "brakes"}
    assert [field["ref"] for field in response["definition"]["fields"]] == [q.ref for q in SERVICE.questions]
    assert (response["landed_at"], response["submitted_at"]) == ("2026-11-20T11:58:00Z", "2026-11-20T12:00:00Z")


def test_an_unknown_reference_is_an_error() -> None:
    with pytest.raises(KeyError):
        payload(DESK, {"csat": 1}, token="t", submitted_at=new_clock().now())


def test_the_signature_matches_the_vendors_test_vector() -> None:
    assert sign("secret", b'{"a":1}') == "sha256=qp4uNXX11wmLbKzNeQiIw21f22M0KnO62i1qUXR6hJQ="


def test_a_delivery_is_signed_over_the_bytes_sent() -> None:
    clock = new_clock()
    with receiving() as (inbox, url):
        typeform = Typeform(clock)
        typeform.connect(url)
        attempt = typeform.send(event(clock))
    assert attempt is not None
    assert (attempt.status, attempt.final, typeform.next_due) == (200, True, None)
    ((headers, body),) = inbox.received
    assert headers["typeform-signature"] == sign(typeform.secret, body)
    assert json.loads(body)["event_id"] == "event-t1"
    assert b"Bremse quietscht" in body
    assert body == encode(event(clock))


@pytest.mark.parametrize("status", [404, 410])
def test_the_hook_is_switched_off_at_once(status: int) -> None:
    clock = new_clock()
    with receiving(status) as (inbox, url):
        typeform = Typeform(clock)
        hook = typeform.connect(url)
        typeform.send(event(clock))
        assert not hook.enabled
        assert typeform.send(event(clock)) is None
    assert len(inbox.received) == 1
    assert typeform.next_due is None


@pytest.mark.parametrize("status", [408, 423, 429, 503])
def test_a_busy_receiver_is_tried_every_few_minutes(status: int) -> None:
    clock = new_clock()
    with receiving(status, status) as (inbox, url):
        typeform = Typeform(clock)
        typeform.connect(url)
        typeform.send(event(clock))
        clock.advance(timedelta(seconds=149))
        assert typeform.run_due() == []
        for expected in (status, 200):
            clock.advance(timedelta(seconds=150))
            assert [attempt.status for attempt in typeform.run_due()] == [expected]
    assert len({body for _, body in inbox.received}) == 1, "a retry repeats the bytes"


def test_a_busy_receiver_is_given_up_after_ten_hours() -> None:
    clock = new_clock()
    with receiving(*[503] * 300) as (inbox, url):
        typeform = Typeform(clock)
        typeform.connect(url)
        typeform.send(event(clock))
        while typeform.next_due:
            clock.advance(typeform.next_due - clock.now())
            typeform.run_due()
    assert len(inbox.received) == 241
    assert clock.now() - new_clock().now() == timedelta(hours=10)


def test_other_failures_back_off_and_end() -> None:
    clock = new_clock()
    pauses = []
    with receiving(*[500] * 9) as (_, url):
        typeform = Typeform(clock)
        typeform.connect(url)
        typeform.send(event(clock))
        while typeform.next_due:
            pauses.append(int((typeform.next_due - clock.now()).total_seconds() // 60))
            clock.advance(typeform.next_due - clock.now())
            typeform.run_due()
    assert pauses == [5, 10, 20, 60, 120]
    assert typeform.attempts[-1].final


def test_nobody_listening_is_a_failure_like_others() -> None:
    with receiving() as (_, url):
        pass
    typeform = Typeform(new_clock())
    typeform.connect(url)
    attempt = typeform.send(b"{}")
    assert attempt is not None
    assert (attempt.status, attempt.final) == (0, False)


def test_a_single_delivery_may_lack_its_signature() -> None:
    with receiving(401) as (inbox, url):
        assert Typeform(new_clock()).deliver(url, None, b"{}") == 401
    assert "typeform-signature" not in inbox.received[0][0]


def test_all_simulators_start_and_say_how_to_reach_them() -> None:
    with start_all(SystemClock()) as running:
        environment = running.environment()
        for name, token in (("ZENDESK", zendesk.CLIENT_ID), ("SALESFORCE", "sim-salesforce")):
            assert environment[f"{name}_CLIENT_ID"] == token
            with calling(environment[f"CONNECTOR__CONNECTIONS__{name}__BASE_URL"]) as caller:
                assert caller.send("GET", "/__simulator__/truth").status == 200
        with calling(environment["CONNECTOR__CONNECTIONS__SLACK__BASE_URL"]) as caller:
            caller.token = environment["SLACK_TOKEN"]
            assert caller.send("GET", "/api/auth.test").data["ok"]
        assert environment["SLACK_TOKEN"] == slack.TOKEN


def test_ports_can_be_chosen() -> None:
    with start_all(SystemClock()) as running:
        taken = int(running.slack.site.base_url.rpartition(":")[2])
    with start_all(SystemClock(), {"zendesk": taken}) as running:
        assert running.zendesk.site.base_url == f"http://127.0.0.1:{taken}"
