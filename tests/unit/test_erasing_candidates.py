"""An erased person who was shown as a candidate for somebody else: the question forgets them, and so do its texts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from connector.clock import VirtualClock
from connector.domain.matching.fuzzy import Do, Fuzzy
from connector.domain.model.intent import WriteKind
from connector.domain.model.person import Contact, LinkState
from connector.domain.model.response import Interaction, Respondent
from connector.store import contacts, erasures, links, responses
from connector.store.database import Database
from connector.store.erasures import State
from connector.store.responses import Outcome
from connector.sync.identify import blinds_of, mirror
from tests import stores
from tests.unit.deciding import CHAT, CRM, DESK, decide_all, example_settings, feed, planned, pretend_confirmed
from tests.unit.samples import NOON, PLAIN, answer, empty_store
from tests.unit.test_erasing import MAIL, NAME, PHONE, WHO, Fake, erase, everything

pytestmark = pytest.mark.both_stores

OTHER = Respondent(email="kanarja@other.example", name="Kanarja Vogelprobe", phone="030 555000177")


@pytest.fixture
def db(tmp_path: Path) -> Database:
    return empty_store(tmp_path, VirtualClock(NOON), tmp_path / "store.db.erased")


def named(db: Database) -> list[str]:
    told = [line for line in everything(db).splitlines() if not line.startswith("history.")]
    return [line for line in told if any(word in line for word in (MAIL, NAME, "003K", "003k"))] + [
        line for line in everything(db).splitlines() if MAIL in line or NAME in line
    ]


@pytest.mark.parametrize("is_sent", [True, False])
def test_who_was_a_candidate_for_somebody_else_is_named_there_no_more(db: Database, is_sent: bool) -> None:
    with db.write() as tx:
        mirror(tx, Contact(account=CRM, id="003K", name=NAME, email=MAIL, phone=PHONE, url="https://crm.example/003K"))
    settings = replace(example_settings(), fuzzy=Fuzzy(do=Do.SUGGEST))
    feed(db, answer("b1", respondent=OTHER, interaction=Interaction(), stars=1))
    decide_all(db, settings)
    [ticket] = planned(db, WriteKind.TICKET)
    assert NAME in str(ticket.fields["comment"]), "the person is shown as a candidate"
    if is_sent:
        pretend_confirmed(db, ticket, "500")
    feed(db, answer("k1", respondent=WHO, interaction=Interaction(id="R-9", kind="repair_order"), stars=5))
    decide_all(db, settings)
    done = erase(db, Fake(CRM), Fake(DESK), Fake(CHAT))
    assert done.state is State.DONE
    assert named(db) == []
    with db.read() as tx:
        [link] = links.of_person(tx, 1)
    assert (link.state, link.candidates) == (LinkState.UNLINKED, ())
    [ticket] = planned(db, WriteKind.TICKET)
    assert "Brakes squeak" in str(ticket.fields["comment"]), "what is about somebody else stays"
    told = str(done.certificate)
    assert ("ticket 500" in told) is is_sent, "what stands on others' tickets is listed"


def test_each_of_several_addresses_finds_the_certificate(db: Database) -> None:
    """The second one is known from the CRM alone; whoever asks again names one of them."""
    with db.write() as tx:
        mirror(tx, Contact(account=CRM, id="003K", name=NAME, email="second@leak.example"))
    feed(db, answer("k1", respondent=replace(WHO, crm_id="003K"), interaction=Interaction()))
    decide_all(db, example_settings())
    done = erase(db, Fake(CRM), Fake(DESK), Fake(CHAT))
    assert erasures.names(done.subject, MAIL)
    assert erasures.names(done.subject, "second@leak.example")
    assert not erasures.names(done.subject, "third@leak.example")
    late = answer("k9", respondent=Respondent(email="second@leak.example"), interaction=Interaction())
    with db.write() as tx:
        assert responses.record(tx, late, PLAIN, blinds=blinds_of(tx, late)).outcome is Outcome.ERASED


def test_an_older_store_brings_no_contact_back_that_had_no_address_then(db: Database, tmp_path: Path) -> None:
    """The CRM's contact was mirrored by its name alone, and their answer, which named it, came after the copy."""
    with db.write() as tx:
        mirror(tx, Contact(account=CRM, id="003K", name=NAME))
        mirror(tx, Contact(account=CRM, id="003A", name="Ada Example"))
    db.close()
    stores.keep(tmp_path, "copy.db")
    feed(db, answer("k1", respondent=replace(WHO, crm_id="003K"), interaction=Interaction()))
    decide_all(db, example_settings())
    assert erase(db, Fake(CRM), Fake(DESK), Fake(CHAT)).state is State.DONE
    db.close()
    stores.put_back(tmp_path, "copy.db")
    restored = empty_store(tmp_path, VirtualClock(NOON), tmp_path / "store.db.erased")
    assert named(restored) == []
    with restored.read() as tx:
        assert contacts.get(tx, CRM, "003A") is not None
    restored.close()
