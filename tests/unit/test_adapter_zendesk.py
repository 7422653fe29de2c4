"""The Zendesk adapter's writes and questions, against the strict simulator."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connector.adapters.zendesk import Options, Zendesk
from connector.adapters.zendesk.names import OWN_TAG
from connector.clock import VirtualClock
from connector.domain.model.intent import Item, Json, Receipt, WriteKind
from connector.errors import Conflict, Gone, InDoubt, Locked, Rejected, RemoteError, Throttled, Unauthorized
from connector.ports import Describable, Failed, Job, Outcome, Preparing, Tickets, Writer
from connector.simulator import zendesk as simulator
from connector.simulator.faults import Fault, FaultKind
from connector.simulator.zendesk_desk import RECOVERY_STATUS
from connector.transport.client import QuotaReading
from connector.transport.grants import MemoryTokens
from connector.transport.kit import Kit

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
CANARY = "canary-7431@mail.example"
CREATE = "POST /api/v2/tickets"


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(NOON)


@pytest.fixture
def desk(clock: VirtualClock) -> Iterator[simulator.Zendesk]:
    desk = simulator.Zendesk(clock)
    desk.start()
    yield desk
    desk.stop()


def connect(desk: simulator.Zendesk, clock: VirtualClock, readings: list[QuotaReading] | None = None) -> Zendesk:
    given = Options.model_validate(
        {
            "subdomain": simulator.SUBDOMAIN,
            "client_id": simulator.CLIENT_ID,
            "client_secret": simulator.CLIENT_SECRET,
            "webhook_secret": ["an-older-secret", simulator.HOOK_SECRET],
            "base_url": desk.site.base_url,
            "timeout": 5,
        }
    )
    seen = [] if readings is None else readings
    kit = Kit(clock=clock, token_store=MemoryTokens(clock), on_reading=lambda _, reading: seen.append(reading))
    return Zendesk("desk", given, kit)


@pytest.fixture
def helpdesk(desk: simulator.Zendesk, clock: VirtualClock) -> Zendesk:
    made = connect(desk, clock)
    made.prepare()
    return made


def item(key: str, target: object = None, **fields: Json) -> Item:
    return Item(key=key, target=None if target is None else str(target), fields=fields, cause_at=NOON)


def opening(key: str = "recovery-1", **fields: Json) -> Item:
    values: dict[str, Json] = {
        "subject": "Service recovery: 2 of 5",
        "comment": "Contact the customer by noon.\nSaid: never again",
        "requester_email": "kim@mail.example",
        "requester_name": "Kim Sample",
        "group": "Service Recovery",
        "status": RECOVERY_STATUS,
        "priority": "high",
        "tags": ["csat-recovery"],
        **fields,
    }
    return Item(key=key, target=None, fields=values, cause_at=NOON)


def write(helpdesk: Zendesk, kind: WriteKind, *items: Item) -> list[Outcome]:
    """Send, and settle the job where it is one."""
    found = helpdesk.send(kind, helpdesk.render(kind, items), len(items))
    return settle(helpdesk, kind, found, len(items))


def settle(helpdesk: Zendesk, kind: WriteKind, found: object, count: int) -> list[Outcome]:
    while isinstance(found, Job):
        clock = helpdesk._clock
        assert isinstance(clock, VirtualClock)
        clock.advance(timedelta(seconds=1))
        found = helpdesk.poll(kind, found.id, count)
    assert isinstance(found, list)
    return found


def receipt(outcome: Outcome) -> Receipt:
    assert isinstance(outcome, Receipt)
    return outcome


def failure(outcome: Outcome) -> RemoteError:
    assert isinstance(outcome, Failed)
    return outcome.error


def held(desk: simulator.Zendesk) -> Mapping[str, Mapping[str, Any]]:
    found: Mapping[str, Mapping[str, Any]] = desk.truth["objects"].get("ticket", {})
    return found


def comments(desk: simulator.Zendesk, ticket: object) -> list[Mapping[str, Any]]:
    return list(held(desk)[str(ticket)]["comments"])


def test_it_fills_its_roles(helpdesk: Zendesk) -> None:
    for role in (Writer, Tickets, Describable, Preparing):
        assert isinstance(helpdesk, role)
    assert helpdesk.account == "zendesk:acme"


def test_a_ticket_is_opened_privately_where_the_playbook_says(helpdesk: Zendesk, desk: simulator.Zendesk) -> None:
    (outcome,) = write(helpdesk, WriteKind.TICKET, opening(due_at="2026-11-21T16:00:00Z"))
    made = receipt(outcome)
    ticket = held(desk)[made.remote_id]
    assert [comment["public"] for comment in ticket["comments"]] == [False]
    assert desk.desk.statuses[ticket["custom_status_id"]]["agent_label"] == RECOVERY_STATUS
    assert desk.desk.groups[ticket["group_id"]] == "Service Recovery"
    assert ticket["due_at"] == "2026-11-21T16:00:00Z"
    assert ticket["external_id"] == "recovery-1"
    assert set(ticket["tags"]) == {OWN_TAG, "csat-recovery"}
    assert desk.truth["objects"]["user"][str(ticket["requester_id"])]["email"] == "kim@mail.example"
    assert made.url == f"{desk.site.base_url}/agent/tickets/{made.remote_id}"
    assert made.created is True
    assert (made.values["status"], made.values["group"]) == (RECOVERY_STATUS, "Service Recovery")


def test_an_account_without_the_custom_status_gets_a_tag_and_a_priority(clock: VirtualClock) -> None:
    desk = simulator.Zendesk(clock, custom_statuses=False)
    desk.start()
    try:
        helpdesk = connect(desk, clock)
        helpdesk.prepare()
        fields = {name: value for name, value in opening(group="Nobody Knows").fields.items() if name != "priority"}
        made = receipt(write(helpdesk, WriteKind.TICKET, item("recovery-1", **fields))[0])
        ticket = held(desk)[made.remote_id]
        assert ticket["priority"] == "high"
        assert {"high-priority-service-recovery-required", "nobody-knows"} <= set(ticket["tags"])
        assert made.values["status"] == "new"
    finally:
        desk.stop()


def test_a_priority_the_playbook_names_survives_a_missing_status(helpdesk: Zendesk) -> None:
    (ticket,) = json.loads(
        helpdesk.render(WriteKind.TICKET, [opening(status="Not There", priority="urgent")]).body
    ).values()
    assert ticket["priority"] == "urgent"


def test_names_are_looked_up_once_an_hour(helpdesk: Zendesk, desk: simulator.Zendesk, clock: VirtualClock) -> None:
    before = len(desk.requests)
    helpdesk.prepare()
    assert len(desk.requests) == before
    clock.advance(timedelta(hours=1))
    helpdesk.prepare()
    assert desk.requests.counts(before) == {
        "POST /oauth/tokens": 1,
        "GET /api/v2/custom_statuses": 1,
        "GET /api/v2/groups": 1,
    }


def test_a_system_status_needs_no_custom_one(helpdesk: Zendesk, desk: simulator.Zendesk) -> None:
    made = receipt(write(helpdesk, WriteKind.TICKET, opening(status="Pending"))[0])
    assert held(desk)[made.remote_id]["status"] == "pending"


def test_a_ticket_of_somebody_without_an_address_is_asked_by_our_own_user(
    helpdesk: Zendesk, desk: simulator.Zendesk
) -> None:
    users = len(desk.truth["objects"]["user"])
    receipt(write(helpdesk, WriteKind.TICKET, opening(requester_email=None, requester_name="Kim"))[0])
    assert len(desk.truth["objects"]["user"]) == users


def test_a_follow_up_points_at_its_closed_ticket(helpdesk: Zendesk, desk: simulator.Zendesk) -> None:
    first = desk.add_ticket(requester_email="kim@mail.example")
    desk.human_update(first, status="closed")
    made = receipt(write(helpdesk, WriteKind.TICKET, opening(follow_up_of=str(first)))[0])
    assert held(desk)[made.remote_id]["via_followup_source_id"] == first


def test_the_same_create_twice_is_one_ticket(helpdesk: Zendesk, desk: simulator.Zendesk) -> None:
    request = helpdesk.render(WriteKind.TICKET, [opening()])
    first, again = (helpdesk.send(WriteKind.TICKET, request, 1) for _ in range(2))
    assert isinstance(first, list)
    assert isinstance(again, list)
    assert receipt(first[0]).remote_id == receipt(again[0]).remote_id
    assert (receipt(first[0]).created, receipt(again[0]).created) == (True, False)
    assert len(held(desk)) == 1


def test_the_key_stays_when_the_text_changes_and_the_vendors_refusal_is_a_conflict(
    helpdesk: Zendesk, desk: simulator.Zendesk
) -> None:
    write(helpdesk, WriteKind.TICKET, opening())
    with pytest.raises(Conflict):
        write(helpdesk, WriteKind.TICKET, opening(comment="another text"))
    assert len(held(desk)) == 1


@pytest.mark.parametrize("fault", [FaultKind.RESET_AFTER_COMMIT, FaultKind.ERROR_AFTER_COMMIT, FaultKind.TORN])
def test_a_create_whose_answer_was_lost_is_found_by_asking(
    helpdesk: Zendesk, desk: simulator.Zendesk, fault: FaultKind
) -> None:
    desk.faults.add(Fault(match=CREATE, kind=fault))
    with pytest.raises(InDoubt):
        write(helpdesk, WriteKind.TICKET, opening())
    found, missing = helpdesk.ask(WriteKind.TICKET, [opening(), opening("recovery-2")])
    assert [hit.remote_id for hit in found.receipts] == list(held(desk))
    assert missing.receipts == ()


def test_a_long_key_is_found_again(helpdesk: Zendesk) -> None:
    long = opening("k" * 400)
    made = receipt(write(helpdesk, WriteKind.TICKET, long)[0])
    (found,) = helpdesk.ask(WriteKind.TICKET, [long])
    assert [hit.remote_id for hit in found.receipts] == [made.remote_id]
    external = json.loads(helpdesk.render(WriteKind.TICKET, [long]).body)["ticket"]["external_id"]
    assert len(external) <= 255


def test_a_create_known_not_to_exist_goes_out_under_another_key(helpdesk: Zendesk) -> None:
    keys = {
        helpdesk.render(WriteKind.TICKET, [replace(opening(key), revision=revision)]).idempotency_key
        for key in ("recovery-1", "recovery-11")
        for revision in (0, 1, 11)
    }
    assert len(keys) == 6


def test_a_note_is_private_and_ends_in_its_marker(helpdesk: Zendesk, desk: simulator.Zendesk) -> None:
    ticket = desk.add_ticket(requester_email="kim@mail.example")
    made = receipt(write(helpdesk, WriteKind.NOTE, item("note-1", ticket, text="Another answer: 1 of 5"))[0])
    note = comments(desk, ticket)[-1]
    assert note["public"] is False
    assert note["body"] == "Another answer: 1 of 5\n\ncsat-connector note-1"
    assert made.remote_id == str(note["id"])
    assert made.url == f"{desk.site.base_url}/agent/tickets/{ticket}"


def test_a_note_whose_answer_was_lost_is_found_by_its_marker(helpdesk: Zendesk, desk: simulator.Zendesk) -> None:
    ticket = desk.add_ticket(requester_email="kim@mail.example", comment="I quote: csat-connector note-1 ?")
    notes = [item(f"note-{number}", ticket, text="x") for number in (1, 2)]
    assert [found.receipts for found in helpdesk.ask(WriteKind.NOTE, notes)] == [(), ()]
    desk.faults.add(Fault(match="PUT /api/v2/tickets/*", kind=FaultKind.RESET_AFTER_COMMIT))
    with pytest.raises(InDoubt):
        write(helpdesk, WriteKind.NOTE, notes[0])
    found, missing = helpdesk.ask(WriteKind.NOTE, notes)
    assert [hit.remote_id for hit in found.receipts] == [str(comments(desk, ticket)[-1]["id"])]
    assert missing.receipts == ()


def test_a_deleted_ticket_spoils_no_question_about_others(helpdesk: Zendesk, desk: simulator.Zendesk) -> None:
    gone, alive = (desk.add_ticket(requester_email="kim@mail.example") for _ in range(2))
    write(helpdesk, WriteKind.NOTE, item("note-2", alive, text="x"))
    desk.human_delete(gone)
    lost, found = helpdesk.ask(WriteKind.NOTE, [item("note-1", gone, text="x"), item("note-2", alive, text="x")])
    assert lost.receipts == ()
    assert len(found.receipts) == 1


def test_a_note_may_reopen_its_ticket(helpdesk: Zendesk, desk: simulator.Zendesk) -> None:
    ticket = desk.add_ticket(requester_email="kim@mail.example")
    desk.human_update(ticket, status="solved")
    write(helpdesk, WriteKind.NOTE, item("note-1", ticket, text="x", status="open", priority="urgent"))
    assert (held(desk)[str(ticket)]["status"], held(desk)[str(ticket)]["priority"]) == ("open", "urgent")


def test_notes_on_several_tickets_are_one_job_with_an_outcome_each(helpdesk: Zendesk, desk: simulator.Zendesk) -> None:
    good, closed, gone = (desk.add_ticket(requester_email="kim@mail.example") for _ in range(3))
    desk.human_update(closed, status="closed")
    desk.human_delete(gone)
    before = len(desk.requests)
    outcomes = write(
        helpdesk, WriteKind.NOTE, *(item(f"n{ticket}", ticket, text="x") for ticket in (closed, good, gone))
    )
    assert desk.requests.counts(before)["PUT /api/v2/tickets/update_many"] == 1
    assert isinstance(failure(outcomes[0]), Conflict)
    assert "closed" in str(failure(outcomes[0]))
    assert receipt(outcomes[1]).remote_id == str(good)
    assert isinstance(failure(outcomes[2]), Gone)
    assert len(comments(desk, good)) == 2


def test_a_running_job_stays_a_job_and_a_forgotten_one_is_gone(
    helpdesk: Zendesk, desk: simulator.Zendesk, clock: VirtualClock
) -> None:
    tickets = [desk.add_ticket(requester_email="kim@mail.example") for _ in range(2)]
    request = helpdesk.render(WriteKind.NOTE, [item(f"n{ticket}", ticket, text="x") for ticket in tickets])
    job = helpdesk.send(WriteKind.NOTE, request, 2)
    assert isinstance(job, Job)
    assert helpdesk.poll(WriteKind.NOTE, job.id, 2) == job
    clock.advance(timedelta(hours=2))
    with pytest.raises(Gone):
        helpdesk.poll(WriteKind.NOTE, job.id, 2)


def test_a_job_that_fails_late_leaves_every_record_in_doubt_or_refused_alone(
    helpdesk: Zendesk, desk: simulator.Zendesk
) -> None:
    tickets = [desk.add_ticket(requester_email="kim@mail.example") for _ in range(2)]
    notes = [item(f"n{ticket}", ticket, text="x") for ticket in tickets]
    desk.faults.add(Fault(match="PUT */update_many", kind=FaultKind.LATE_JOB_FAILURE))
    assert [type(failure(outcome)) for outcome in write(helpdesk, WriteKind.NOTE, *notes)] == [InDoubt, InDoubt]
    desk.faults.add(Fault(match="PUT */update_many", kind=FaultKind.LATE_JOB_FAILURE, records=(1,)))
    first, second = write(helpdesk, WriteKind.NOTE, *notes)
    assert isinstance(first, Receipt)
    assert isinstance(failure(second), Locked)


def test_an_update_sets_values_and_adds_tags_without_touching_others(
    helpdesk: Zendesk, desk: simulator.Zendesk
) -> None:
    ticket = desk.add_ticket(requester_email="kim@mail.example", tags=["vip"], priority="low")
    change = item("u1", ticket, priority="urgent", status=RECOVERY_STATUS, add_tags=["csat-recovery"])
    for _ in range(2):
        assert isinstance(write(helpdesk, WriteKind.TICKET_UPDATE, change)[0], Receipt)
    row = held(desk)[str(ticket)]
    assert (row["priority"], row["tags"]) == ("urgent", ["vip", "csat-recovery"])
    assert len(row["comments"]) == 1


def test_null_clears_and_absent_leaves(helpdesk: Zendesk, desk: simulator.Zendesk) -> None:
    ticket = desk.add_ticket(
        requester_email="kim@mail.example", priority="low", type="task", due_at="2026-12-01T00:00:00Z"
    )
    write(helpdesk, WriteKind.TICKET_UPDATE, item("u1", ticket, due_at=None))
    row = held(desk)[str(ticket)]
    assert (row["due_at"], row["priority"]) == (None, "low")


def test_a_closed_ticket_is_a_conflict_that_says_so_and_a_deleted_one_gone(
    helpdesk: Zendesk, desk: simulator.Zendesk
) -> None:
    closed, gone = (desk.add_ticket(requester_email="kim@mail.example") for _ in range(2))
    desk.human_update(closed, status="closed")
    desk.human_delete(gone)
    with pytest.raises(Conflict, match="closed"):
        write(helpdesk, WriteKind.NOTE, item("n1", closed, text="x"))
    with pytest.raises(Gone):
        write(helpdesk, WriteKind.TICKET_UPDATE, item("u1", gone, priority="low"))


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (409, "Conflict", Locked),
        (429, "APIRateLimitExceeded", Throttled),
        (500, "InternalServerError", InDoubt),
        (422, "RecordInvalid", Rejected),
        (403, "Forbidden", Unauthorized),
    ],
)
def test_a_refusal_is_read_by_status_and_code(
    helpdesk: Zendesk, desk: simulator.Zendesk, status: int, code: str, kind: type[RemoteError]
) -> None:
    desk.faults.add(Fault(match=CREATE, kind=FaultKind.REFUSE, status=status, code=code))
    with pytest.raises(kind) as caught:
        write(helpdesk, WriteKind.TICKET, opening())
    assert type(caught.value) is kind


def test_too_fast_says_until_when(helpdesk: Zendesk, desk: simulator.Zendesk, clock: VirtualClock) -> None:
    desk.faults.add(Fault(match=CREATE, kind=FaultKind.THROTTLE, retry_after=37))
    with pytest.raises(Throttled) as caught:
        write(helpdesk, WriteKind.TICKET, opening())
    assert caught.value.retry_at == clock.now() + timedelta(seconds=37)


def test_errors_repeat_no_value_that_was_sent(helpdesk: Zendesk) -> None:
    for wrong in ({"requester_email": f"{CANARY} oops"}, {"priority": CANARY}, {"comment": " "}):
        with pytest.raises(Rejected) as caught:
            write(helpdesk, WriteKind.TICKET, opening(subject=CANARY, **wrong))
        assert "canary" not in f"{caught.value} {caught.value.reply} {caught.value.field} {caught.value!r}"


def test_quotas_are_read_from_the_narrowest_header(desk: simulator.Zendesk, clock: VirtualClock) -> None:
    readings: list[QuotaReading] = []
    helpdesk = connect(desk, clock, readings)
    helpdesk.prepare()
    assert readings[-1].endpoint_class == "account"
    assert readings[-1].limit == 700
    assert readings[-1].resets_at is not None
    ticket = desk.add_ticket(requester_email="kim@mail.example")
    write(helpdesk, WriteKind.NOTE, item("n1", ticket, text="x"))
    assert (readings[-1].endpoint_class, readings[-1].remaining, readings[-1].limit) == ("tickets-update", 99, 100)


def test_custom_fields_go_by_id_and_zenpy_adds_nothing(helpdesk: Zendesk) -> None:
    request = helpdesk.render(
        WriteKind.TICKET,
        [item("k", subject="S", comment="C", requester_email="kim@mail.example", custom_field_360001="a")],
    )
    assert json.loads(request.body) == {
        "ticket": {
            "subject": "S",
            "comment": {"body": "C", "public": False},
            "requester": {"email": "kim@mail.example", "name": "kim@mail.example"},
            "external_id": "k",
            "tags": [OWN_TAG],
            "custom_fields": [{"id": 360001, "value": "a"}],
        }
    }
    assert request.idempotency_key is not None
    assert len(request.idempotency_key) <= 255
