"""Erasing a person: tombstones first, everything found, requests settled, others told, rows cleared, nobody back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import event, select

from connector.clock import VirtualClock
from connector.domain.model.intent import IntentState, Item, Receipt, Request, WriteKind
from connector.domain.model.person import Contact, KeyKind
from connector.domain.model.response import Interaction, Respondent
from connector.domain.model.transitions import Event
from connector.errors import StoreError, Transient
from connector.ports import Ticket
from connector.ports.erasing import Erased, Fate, Subject
from connector.store import (
    contacts,
    erasures,
    forgetting,
    inbox,
    intents,
    lanes,
    people,
    receipts,
    resealing,
    responses,
    subjects,
    tickets,
    writes,
)
from connector.store.columns import metadata
from connector.store.database import Database
from connector.store.erasures import Erasure, State
from connector.store.graveyard import KEEPS, TOLD, Graveyard
from connector.store.inbox import Arrival
from connector.store.responses import Outcome
from connector.store.schema import tombstone
from connector.store.writes import Record
from connector.sync.erasing import LANE, Eraser, ErasureLane
from connector.sync.identify import blinds_of
from connector.sync.mirroring import take_contact, take_ticket
from connector.sync.poll import target_of
from tests import stores
from tests.unit.deciding import (
    CHAT,
    CRM,
    DESK,
    decide_all,
    example_settings,
    feed,
    known_contact,
    planned,
    pretend_confirmed,
    take_lane,
)
from tests.unit.samples import NOON, PLAIN, answer, empty_store

pytestmark = pytest.mark.both_stores

MAIL, NAME, PHONE = "kanaria@leak.example", "Kanaria Vogelprobe", "+4930555000177"
WHO = Respondent(email=MAIL, name=NAME, phone=PHONE)
WORDS = "zwitscherzwitscher"
ORDER = Interaction(id="R-9", kind="repair_order", service="brakes")
NO_PERSON = {
    "account", "count", "cursor", "directory_list", "erased", "erasure", "grant_token", "lane", "meta", "opted_out",
    "pause", "playbook_text", "quota", "run", "storm", "told", "tombstone", "undoing",
}  # fmt: skip
"""Tables that hold nothing about anybody; `erasure.known` is emptied when it is done."""


class Fake:
    """A system that remembers what it was asked to erase."""

    residual = "printed reports"

    def __init__(self, account: str, *, failures: int = 0) -> None:
        self.account = account
        self.asked: list[Subject] = []
        self.failures = failures

    def erase(self, subject: Subject) -> Sequence[Erased]:
        self.asked.append(subject)
        if self.failures:
            self.failures -= 1
            raise Transient("no connection")
        found = [f"{kind.value} {one}" for kind, ids in subject.records.items() for one in ids]
        return [Erased(object=one, fate=Fate.ERASED, request_id="r-1") for one in found]


@pytest.fixture
def db(tmp_path: Path) -> Database:
    return empty_store(tmp_path, VirtualClock(NOON), tmp_path / "store.db.erased")


def lived(db: Database) -> None:
    """Two people answered, everything about them was written, and one has deliveries in every state."""
    known_contact(db, "003K", email=MAIL)
    known_contact(db, "003A")
    with db.write() as tx:
        for number, body in enumerate((f'{{"mail":"{MAIL.upper()}"', '{"tel":"+49 30/555-000 177"', '{"who":"else"')):
            arrival = Arrival(
                connection="typeform", kind="typeform", payload=body.encode(), received_at=NOON, reason="not JSON"
            )
            inbox.add(tx, [replace(arrival, field=f"f{number}")])
        inbox.add(tx, [Arrival(connection="t", kind="typeform", payload=b"mapped " + MAIL.encode(), received_at=NOON)])
    feed(db, answer("k1", respondent=WHO, interaction=ORDER, comment=WORDS, stars=1), answer("a1"))
    with db.write() as tx:
        found = responses.find(tx, "typeform/aB3dE9/k1")
        assert found is not None
        inbox.mark_mapped(tx, 4, found)
    decide_all(db, example_settings())
    while waiting := [row for row in planned(db) if row.state is IntentState.PLANNED]:
        pretend_confirmed(db, waiting[0], f"R{waiting[0].id}")
    with db.write() as tx:
        seen = Ticket(
            account=DESK,
            id="77",
            status="open",
            requester_email=MAIL,
            key=None,
            url=None,
            updated_at=NOON,
            values={"subject": WORDS},
        )
        tickets.upsert(tx, seen, requester=MAIL)
    feed(db, answer("k2", respondent=WHO, interaction=ORDER, comment=WORDS))


def erase(db: Database, *systems: Fake, cause: str = "asked") -> Erasure:
    with db.write() as tx:
        number = erasures.begin(tx, subjects.of_address(tx, email=MAIL), cause=cause)
    return carry_out(db, number, *systems)


def carry_out(db: Database, number: int, *systems: Fake) -> Erasure:
    lane = ErasureLane(db=db, erasers=[Eraser(account=one.account, system=one) for one in systems])
    hold = take_lane(db, LANE)
    for _ in range(50):
        due = lane.drain(hold)
        if due is None:
            break
        clock = db.clock
        assert isinstance(clock, VirtualClock)
        clock.advance(max(timedelta(0), due - clock.now()))
        hold.extend(asked_at=clock.monotonic(), lease=10_000)
    with db.write() as tx:
        lanes.finish(tx, hold.hold, None)
        return erasures.get(tx, number)


def everything(db: Database) -> str:
    """Every value of every table, opened."""
    told: list[str] = []
    sealed = [place.column for place in resealing.places()]
    with db.read() as tx:
        for table in metadata.sorted_tables:
            for row in tx.execute(select(table)):
                for column, value in zip(table.columns, row, strict=True):
                    if value and any(column is one for one in sealed):
                        value = tx.unseal_bytes(f"{table.name}.{column.name}", value).decode()  # noqa: PLW2901
                    told.append(f"{table.name}.{column.name}: {value}")
    return "\n".join(told)


def traces(db: Database) -> list[str]:
    """Lines that name the person, in any form they were written in, or the answers' own ids."""
    words = (MAIL, NAME, PHONE, WORDS, "555-000", "aB3dE9/k1", "aB3dE9/k2", "003K")
    return [line for line in everything(db).splitlines() if any(word.lower() in line.lower() for word in words)]


def test_afterwards_no_table_holds_anything_of_them_and_others_are_untouched(db: Database) -> None:
    lived(db)
    assert len(traces(db)) > 20
    before = [line for line in everything(db).splitlines() if "ada@" in line.lower() or "Brakes squeak" in line]
    done = erase(db, Fake(CRM), Fake(DESK), Fake(CHAT))
    assert done.state is State.DONE
    assert traces(db) == []
    after = [line for line in everything(db).splitlines() if "ada@" in line.lower() or "Brakes squeak" in line]
    assert after == before
    assert MAIL not in json.dumps(done.certificate)


def test_who_cannot_be_told_now_is_not_asked_again_because_another_was(db: Database) -> None:
    lived(db)
    first, *others = [Fake(account, failures=int(account == CRM)) for account in (CRM, DESK, CHAT)]
    with db.write() as tx:
        erasures.begin(tx, subjects.of_address(tx, email=MAIL))
    lane = ErasureLane(db=db, erasers=[Eraser(account=one.account, system=one) for one in (first, *others)])
    hold = take_lane(db, LANE)
    while not first.asked:
        due = lane.drain(hold)
    assert isinstance(db.clock, VirtualClock)
    while due is not None and due <= db.clock.now():
        due = lane.drain(hold)
    assert len(first.asked) == 1
    assert [len(one.asked) for one in others] == [1, 1]


def test_every_table_is_either_cleared_or_holds_nobody() -> None:
    cleared = {table.name for table in forgetting.CLEARED}
    assert cleared.isdisjoint(NO_PERSON)
    assert {table.name for table in metadata.sorted_tables} == cleared | NO_PERSON, "say which it is in forgetting.py"


def test_each_account_is_told_of_what_it_holds_and_nothing_else(db: Database) -> None:
    lived(db)
    with db.read() as tx:
        found = subjects.accounts(tx, subjects.of_address(tx, email=MAIL))
    assert found[CRM].contacts == ("003K",)
    assert WriteKind.TASK in found[CRM].records
    assert WriteKind.TICKET in found[DESK].records
    assert found[DESK].tickets == ("77",)
    desk, crm, chat = Fake(DESK), Fake(CRM), Fake(CHAT)
    done = erase(db, crm, desk, chat)
    assert crm.asked[0].emails == (MAIL,)
    told = done.certificate
    assert isinstance(told, dict)
    elsewhere = told["elsewhere"]
    assert isinstance(elsewhere, list)
    assert {one["account"] for one in elsewhere if isinstance(one, dict)} == {CRM, DESK, CHAT}
    assert {"printed reports"} == {one["why"] for one in elsewhere if isinstance(one, dict) and one["why"]}


def test_what_has_no_connection_is_listed_as_kept(db: Database) -> None:
    lived(db)
    done = erase(db, Fake(CRM), Fake(CHAT))
    with db.read() as tx:
        kept = [one for one in erasures.outcomes(tx, done.id) if one.account == DESK]
    assert {"ticket 77"} < {one.object for one in kept}
    assert {one.fate for one in kept} == {Fate.KEPT}


def test_nothing_brings_them_back(db: Database) -> None:
    lived(db)
    erase(db, Fake(CRM), Fake(DESK), Fake(CHAT))
    settings = example_settings()
    with db.write() as tx:
        again = Arrival(connection="t", kind="typeform", payload=b"mapped " + MAIL.encode(), received_at=NOON)
        assert inbox.add(tx, [again]).new == 0, "a webhook that is repeated"
        edited = answer("k1", respondent=Respondent(email="new@example.org"), stars=5, interaction=ORDER)
        for late in (
            answer("k3", respondent=WHO, interaction=ORDER),
            edited,
            answer("k4", respondent=Respondent(email=None, phone=PHONE)),
        ):
            done = responses.record(tx, late, PLAIN, blinds=blinds_of(tx, late))
            assert done.outcome is Outcome.ERASED
        take_contact(tx, Contact(account=CRM, id="003K", name=NAME), target_of(settings, CRM), settings, NOON)
        other = Contact(account=CRM, id="003Z", name=NAME, email=MAIL)
        take_contact(tx, other, target_of(settings, CRM), settings, NOON)
        for mail in (None, MAIL):
            late_ticket = Ticket(
                account=DESK, id="77", status="deleted", requester_email=mail, key=None, url=None, updated_at=NOON,
                values={"subject": WORDS},
            )  # fmt: skip
            take_ticket(tx, late_ticket, settings, NOON)
    assert traces(db) == []


def test_an_answer_taken_in_just_before_is_not_decided(db: Database) -> None:
    lived(db)
    with db.write() as tx:
        erasures.begin(tx, subjects.of_address(tx, email=MAIL))
        tx.execute(tombstone.delete())  # as if it had been recorded before they were set
        late = answer("k9", respondent=WHO, interaction=ORDER, comment=WORDS)
        assert responses.record(tx, late, PLAIN).outcome is Outcome.RECORDED
        forgetting.bury(tx, subjects.Known(emails=(MAIL,)))
    decide_all(db, example_settings())
    with db.read() as tx:
        assert people.find(tx, KeyKind.EMAIL, MAIL) is None
        assert responses.find(tx, "typeform/aB3dE9/k9") is None


def test_what_is_under_way_is_settled_first_and_its_receipt_is_erased_too(db: Database) -> None:
    lived(db)
    feed(db, answer("k5", respondent=WHO, interaction=ORDER, comment=WORDS + "!", stars=1))
    decide_all(db, example_settings())
    row = next(row for row in planned(db) if row.state is IntentState.PLANNED and row.kind is WriteKind.ACTIVITY)
    with db.write() as tx:
        item = Item(key=row.record, target=None, fields=row.fields, cause_at=NOON)
        request = Request(method="POST", path="/x", body=b"{}")
        record = Record(item=item, about=row.object, event_at=dict.fromkeys(row.fields, NOON))
        number = writes.freeze(tx, account=CRM, kind=row.kind, request=request, records=[record], epoch=1)
        intents.move(tx, row, Event.SENT, write_id=number, position=0)
        erasure = erasures.begin(tx, subjects.of_address(tx, email=MAIL))
    crm = Fake(CRM)
    assert carry_out(db, erasure, crm, Fake(DESK), Fake(CHAT)).waits_for == f"requests under way: 1 to {CRM}"
    assert crm.asked == []
    with db.write() as tx:
        moved = intents.move(tx, intents.get(tx, row.id), Event.ANSWERED)
        assert moved.state is IntentState.ERASED
        receipts.add(tx, moved, Receipt(remote_id="00T-late"))
        writes.close_if_settled(tx, number)
    assert carry_out(db, erasure, crm, Fake(DESK), Fake(CHAT)).state is State.DONE
    assert "00T-late" in crm.asked[0].records[WriteKind.ACTIVITY]
    assert traces(db) == []


def test_who_fails_is_asked_again_and_who_was_told_is_not(db: Database) -> None:
    lived(db)
    crm, desk = Fake(CRM, failures=3), Fake(DESK)
    assert erase(db, crm, desk, Fake(CHAT)).state is State.DONE
    assert len(crm.asked) == 4
    assert len(desk.asked) == 1


@pytest.mark.parametrize("died_after", range(1, 12))
def test_a_crash_after_any_step_is_made_good(db: Database, died_after: int) -> None:
    lived(db)
    systems = [Fake(CRM), Fake(DESK), Fake(CHAT)]
    lane = ErasureLane(db=db, erasers=[Eraser(account=one.account, system=one) for one in systems])
    with db.write() as tx:
        number = erasures.begin(tx, subjects.of_address(tx, email=MAIL))
    hold = take_lane(db, LANE)
    for _ in range(died_after):
        lane._step(hold, number)
    with db.write() as tx:
        lanes.finish(tx, hold.hold, None)
    assert carry_out(db, number, *systems).state is State.DONE
    assert traces(db) == []


def test_a_restored_backup_brings_nobody_back(db: Database, tmp_path: Path) -> None:
    lived(db)
    db.close()
    stores.keep(tmp_path, "backup.db")
    erase(db, Fake(CRM), Fake(DESK), Fake(CHAT))
    db.close()
    stores.put_back(tmp_path, "backup.db")
    restored = empty_store(tmp_path, VirtualClock(NOON), tmp_path / "store.db.erased")
    with restored.read() as tx:
        again = erasures.under_way(tx)
        assert {one.cause for one in again} == {"restored"}
        assert people.find(tx, KeyKind.EMAIL, MAIL) is None
        assert contacts.find(tx, CRM, KeyKind.EMAIL, MAIL) == []
    crm = Fake(CRM)
    for one in again:
        assert carry_out(restored, one.id, crm).state is State.DONE
    assert crm.asked == [], "elsewhere they were erased then"
    assert traces(restored) == []
    restored.close()
    with empty_store(tmp_path, VirtualClock(NOON), tmp_path / "store.db.erased").read() as tx:
        assert not erasures.under_way(tx), "once is enough"


@pytest.mark.parametrize("keeps", [False, True])
def test_a_restored_backup_does_not_end_an_erasure_that_others_were_still_to_carry_out(
    db: Database, tmp_path: Path, keeps: bool
) -> None:
    """The copy knows nothing of it, and one of the systems could not be told before."""
    lived(db)
    db.close()
    stores.keep(tmp_path, "backup.db")
    with db.write() as tx:
        number = erasures.begin(tx, subjects.of_address(tx, email=MAIL), keep_contacts=keeps)
    systems = [Fake(CRM, failures=1), Fake(DESK), Fake(CHAT)]
    ErasureLane(db=db, erasers=[Eraser(account=one.account, system=one) for one in systems]).drain(take_lane(db, LANE))
    with db.read() as tx:
        assert erasures.get(tx, number).state is State.VENDORS
    db.close()
    stores.put_back(tmp_path, "backup.db")
    restored = again(tmp_path)
    with restored.read() as tx:
        (resumed,) = erasures.under_way(tx)
    assert (resumed.cause, resumed.keep_contacts) == ("resumed", keeps)
    crm = Fake(CRM)
    assert carry_out(restored, resumed.id, crm, Fake(DESK), Fake(CHAT)).state is State.DONE
    assert [subject.emails for subject in crm.asked] == [(MAIL,)]
    assert crm.asked[0].keep_contacts is keeps
    assert traces(restored) == []
    restored.close()


def test_who_is_only_mirrored_by_a_restored_backup_is_erased_elsewhere_too(db: Database, tmp_path: Path) -> None:
    known_contact(db, "003K", email=MAIL)
    db.close()
    stores.keep(tmp_path, "backup.db")
    with db.write() as tx:
        erasures.begin(tx, subjects.of_address(tx, email=MAIL))
    db.close()
    stores.put_back(tmp_path, "backup.db")
    restored = again(tmp_path)
    with restored.read() as tx:
        (resumed,) = erasures.under_way(tx)
    crm = Fake(CRM)
    assert carry_out(restored, resumed.id, crm).state is State.DONE
    assert [subject.contacts for subject in crm.asked] == [("003K",)]
    assert traces(restored) == []
    restored.close()


def test_a_crash_does_not_forget_that_the_companys_own_records_stay(db: Database, tmp_path: Path) -> None:
    lived(db)
    with db.write() as tx:
        erasures.begin(tx, subjects.of_address(tx, email=MAIL), keep_contacts=True)
    grave = tmp_path / "store.db.erased"
    known = Graveyard(grave).digests(KEEPS)
    assert known
    grave.unlink()  # as if it had died before it wrote them
    db.close()
    after = again(tmp_path)
    after.probe()
    assert known & Graveyard(grave).digests(KEEPS)
    assert not Graveyard(grave).digests(TOLD)
    after.close()


def again(tmp_path: Path) -> Database:
    """The store as the next process opens it."""
    return empty_store(tmp_path, VirtualClock(NOON), tmp_path / "store.db.erased")


def test_whoever_dies_before_an_erasure_is_committed_has_erased_nobody(db: Database, tmp_path: Path) -> None:
    """Were it in the graveyard, the next start would erase here whom no other system was told of."""
    lived(db)
    event.listen(db._writer, "commit", _die)
    with pytest.raises(KeyboardInterrupt), db.write() as tx:
        erasures.begin(tx, subjects.of_address(tx, email=MAIL))
    event.remove(db._writer, "commit", _die)
    db.close()
    after = again(tmp_path)
    with after.read() as tx:
        assert not erasures.listed(tx)
    crm = Fake(CRM)
    erase(after, crm)
    assert crm.asked
    after.close()


def _die(connection: object) -> None:
    raise KeyboardInterrupt


def test_a_tombstone_that_did_not_get_to_the_graveyard_gets_there_at_the_next_start(
    db: Database, tmp_path: Path
) -> None:
    lived(db)
    grave = tmp_path / "store.db.erased"
    grave.mkdir()  # nothing can be appended to it
    with pytest.raises(StoreError, match="no tombstone can be written"), db.write() as tx:
        erasures.begin(tx, subjects.of_address(tx, email=MAIL))
    with db.read() as tx:
        assert erasures.under_way(tx), "it was committed, and goes on"
        set_here = {row.blind for row in tx.execute(select(tombstone.c.blind))}
    grave.rmdir()
    db.probe()
    assert Graveyard(grave).digests() == set_here, "the next transaction brings them"
    grave.unlink()
    db.close()
    after = again(tmp_path)
    with after.read() as tx:
        assert {one.cause for one in erasures.listed(tx)} == {"asked"}
    assert Graveyard(grave).digests() == set_here
    after.close()


def test_a_torn_line_in_the_graveyard_is_passed_over(db: Database, tmp_path: Path) -> None:
    lived(db)
    erase(db, Fake(CRM))
    file = tmp_path / "store.db.erased"
    known = Graveyard(file).digests()
    assert len(known) > 3
    assert file.stat().st_mode & 0o777 == 0o600
    with file.open("ab") as out:
        out.write(b"0123abc")
    Graveyard(file).add([("f" * 64, NOON, "")])
    assert Graveyard(file).digests() == known | {"f" * 64}


def test_the_certificate_belongs_to_the_address_and_shows_it_to_nobody(db: Database) -> None:
    lived(db)
    done = erase(db, Fake(CRM))
    assert erasures.names(done.subject, MAIL)
    assert not erasures.names(done.subject, "other@leak.example")
    other = erase(db, Fake(CRM))
    assert other.subject != done.subject
