"""Answers, contacts, merges, deletions and people's choices in any order: every link stays explained."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from connector.clock import VirtualClock
from connector.domain.matching.fuzzy import Do, Fuzzy
from connector.domain.model.intent import FINAL_STATES, WriteKind
from connector.domain.model.person import Contact, Link, LinkState
from connector.domain.model.response import Interaction, Respondent
from connector.errors import ConnectorError
from connector.store import contacts, intents, links, people, receipts
from connector.store.schema import person
from connector.sync.choosing import choose, ignore
from connector.sync.identify import BY_OPERATOR
from connector.sync.likeness import catch_up, swept
from connector.sync.mirroring import take_contact
from connector.sync.names import contact_object
from tests.unit.deciding import CRM, decide_all, example_settings, feed, planned, take_lane
from tests.unit.samples import NOON, answer, empty_store

IDS = st.sampled_from(["003A", "003B", "003C"])
NAMES = st.sampled_from(["Ada Example", "Ada Exmaple", "Bert Other"])
EMAILS = st.sampled_from(["ada@one.example", "ada@two.example", "bert@one.example"])
PHONES = st.sampled_from([None, "030 1234567"])
PERSONS = st.integers(1, 4)


class Linking(RuleBasedStateMachine):
    """A CRM whose contacts change while people answer and choose."""

    @initialize(do=st.sampled_from([Do.SUGGEST, Do.LINK]))
    def begin(self, do: Do) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.db = empty_store(Path(self.folder.name), VirtualClock(NOON))
        self.settings = replace(example_settings(), fuzzy=Fuzzy(do=do))
        self.changes = 0
        hold = take_lane(self.db, "poll/x")
        assert not catch_up(self.db, hold, CRM, Fuzzy())
        swept(self.db, hold, CRM)

    def teardown(self) -> None:
        if hasattr(self, "db"):
            self.db.close()
            self.folder.cleanup()

    def report(self, seen: Contact) -> None:
        self.changes += 1
        with self.db.write() as tx:
            known = replace(seen, modified_at=NOON + timedelta(seconds=self.changes))
            take_contact(tx, known, self.settings.targets["salesforce"], self.settings, NOON)

    @rule(one=IDS, name=NAMES, email=EMAILS, phone=PHONES)
    def reported(self, one: str, name: str, email: str, phone: str | None) -> None:
        self.report(Contact(account=CRM, id=one, name=name, email=email, phone=phone))

    @rule(one=IDS)
    def deleted(self, one: str) -> None:
        self.report(Contact(account=CRM, id=one, deleted=True))

    @rule(one=IDS, other=IDS)
    def merged(self, one: str, other: str) -> None:
        with self.db.read() as tx:
            survivor = contacts.survivor(tx, CRM, other)
        if one != other and survivor is not None and survivor.id != one:
            self.report(Contact(account=CRM, id=one, deleted=True, merged_into=survivor.id))

    @rule(name=NAMES, email=EMAILS, phone=PHONES, stars=st.sampled_from([1, 5]))
    def answered(self, name: str, email: str, phone: str | None, stars: int) -> None:
        self.changes += 1
        said = Respondent(name=name, email=f"x{email}" if stars == 1 else email, phone=phone)
        feed(self.db, answer(str(self.changes), stars=stars, respondent=said, interaction=Interaction()))
        decide_all(self.db, self.settings)

    @rule(who=PERSONS, one=IDS)
    def chosen(self, who: int, one: str) -> None:
        with self.db.write() as tx, suppress(ConnectorError):
            if people.exists(tx, who):
                choose(tx, people.survivor(tx, who), CRM, one, BY_OPERATOR, self.settings)

    @rule(who=PERSONS)
    def ignored(self, who: int) -> None:
        with self.db.write() as tx, suppress(ConnectorError):
            if people.exists(tx, who):
                ignore(tx, people.survivor(tx, who), CRM, self.settings)

    def links(self) -> dict[int, Link]:
        with self.db.read() as tx:
            ids = tx.execute(person.select().where(person.c.merged_into.is_(None))).scalars().all()
            found = {one: links.get(tx, one, CRM) for one in ids}
        return {one: link for one, link in found.items() if link is not None}

    @invariant()
    def every_link_is_explained(self) -> None:
        if not hasattr(self, "db"):
            return
        for link in self.links().values():
            assert link.evidence.decided_by
            assert (link.remote_id is not None) == (link.state is LinkState.LINKED)
            if link.evidence.decided_by.startswith("found by similarity"):
                assert self.settings.fuzzy.do is Do.LINK
                assert int(link.evidence.decided_by.rsplit(" ", 1)[1]) >= self.settings.fuzzy.score

    @invariant()
    def whom_a_link_names_is_there_and_is_one_person(self) -> None:
        if not hasattr(self, "db"):
            return
        linked = [link.remote_id for link in self.links().values() if link.remote_id is not None]
        assert len(linked) == len(set(linked))
        with self.db.read() as tx:
            for one in linked:
                seen = contacts.get(tx, CRM, one)
                assert seen is not None
                assert not seen.deleted
            asked = [one for _, link in links.list_held(tx, CRM, limit=100) for one in link.candidates]
            assert all(contacts.living(tx, CRM, [one]) for one in asked), "nobody is asked to choose who is gone"

    @invariant()
    def nobody_is_linked_and_being_made_at_once(self) -> None:
        if not hasattr(self, "db"):
            return
        linked = {one for one, link in self.links().items() if link.state is LinkState.LINKED}
        making = {row.object for row in planned(self.db, WriteKind.CONTACT) if row.state not in FINAL_STATES}
        assert not making & {contact_object(one, CRM) for one in linked}
        with self.db.read() as tx:
            for one in linked:
                name = contact_object(one, CRM)
                assert name in receipts.of_objects(tx, [name])
                assert not [row for row in intents.unsent_on(tx, CRM, [name]) if row.state.value == "blocked"]


TestLinking = Linking.TestCase
TestLinking.settings = settings(
    max_examples=12, stateful_step_count=14, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
