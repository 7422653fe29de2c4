"""The suites of where answers come from: by hook, or by asking for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from connector.domain.model.intent import Json
from connector.errors import Forged, MappingError
from connector.ports import Hinted, Hook, Importing, Row, Source
from connector.testing.feeds import HOUR, Feed, FeedSuite, reader_of
from connector.testing.suite import Suite, asks

QUESTION = "question"
SUMMER = "2026-10-25T02:30:00+02:00"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """A survey tool that posts answers.

    `connect` makes the adapter. `body` is what the tool sends for one answer with this id, these values by question
    (None: asked and skipped, where the tool can say so) and the instant as text. `sign` makes a genuine request of it.
    `says_null`: the tool can send a question without a value. `imports`: its answers also come from files. `secrets`
    are what must never be seen in an error.
    """

    page: str
    connect: Callable[[], Source]
    body: Callable[[str, Mapping[str, Json], str], bytes]
    sign: Callable[[bytes, datetime], Hook] | None
    says_null: bool = False
    has_texts: bool = True
    imports: bool = False
    secrets: tuple[str, ...] = ()


class SourceSuite(Suite):
    """What every source must hold."""

    @asks("C3")
    def test_the_same_answer_twice_has_one_id(self, case: Answers) -> None:
        """Split again a delivery is itself, read again it is the same, another answer is another."""
        source = case.connect()
        body = case.body("a1", {QUESTION: "slow"}, SUMMER)
        (delivery,) = source.split(body)
        assert list(source.split(delivery)) == [delivery]
        first, again = source.read(delivery), source.read(delivery)
        assert first is not None
        assert first == again
        other = source.read(source.split(case.body("a2", {QUESTION: "slow"}, SUMMER))[0])
        assert other is not None
        assert other.id != first.id

    @asks("C9")
    def test_absent_null_and_empty_differ(self, case: Answers) -> None:
        """A question that was not asked is not in the answers; one without a value has none; nothing is made up."""
        source = case.connect()
        record = source.read(case.body("a1", {QUESTION: "slow"}, SUMMER))
        assert record is not None
        assert record.answers[QUESTION] == "slow"
        assert "other" not in record.answers
        if case.says_null:
            blank = source.read(case.body("a2", {QUESTION: None}, SUMMER))
            assert blank is not None
            assert blank.answers.get(QUESTION, "") is None
        if case.has_texts:
            empty = source.read(case.body("a3", {QUESTION: ""}, SUMMER))
            assert empty is not None
            assert empty.answers[QUESTION] == ""

    @asks("C10")
    def test_an_instant_is_the_same_in_every_zone(self, case: Answers) -> None:
        """The hour that comes twice in autumn is two instants."""
        source = case.connect()
        stamps = (SUMMER, SUMMER.replace("+02:00", "+01:00"), "2026-10-25T00:30:00Z")
        read = [source.read(case.body("a1", {QUESTION: "slow"}, stamp)) for stamp in stamps]
        found = [record.submitted_at.astimezone(UTC) for record in read if record is not None]
        twice = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
        assert found == [twice, twice + timedelta(hours=1), twice]

    @asks("C10", lambda case: case.imports)
    def test_a_row_of_a_file_reads_like_its_hook(self, case: Answers) -> None:
        """The same answer, whichever way it came; a column without a value is absent."""
        source = case.connect()
        assert isinstance(source, Importing)
        at = datetime.fromisoformat(SUMMER)
        row = Row(id="a1", form="f", submitted_at=at, values={QUESTION: "slow"})
        (delivery,) = source.split(source.deliver(row))
        record, posted = source.read(delivery), source.read(case.body("a1", {QUESTION: "slow"}, SUMMER))
        assert record is not None
        assert posted is not None
        assert (record.id, record.form, record.answers) == (posted.id, posted.form, posted.answers)
        assert record.submitted_at == posted.submitted_at == at

    @asks("C12", lambda case: case.sign is not None)
    def test_what_is_forged_is_refused_and_not_repeated(self, case: Answers) -> None:
        """Another body, no signature, and one made for another secret."""
        assert case.sign is not None
        source, at = case.connect(), datetime(2026, 10, 25, 1, tzinfo=UTC)
        hook = case.sign(case.body("a1", {QUESTION: "quetzal"}, SUMMER), at)
        source.verify(hook)
        changed = hook.body.replace(b"quetzal", b"quokkas")
        for bad in (replace(hook, body=changed), replace(hook, headers={}, path="/hooks/x")):
            with pytest.raises(Forged) as told:
                source.verify(bad)
            assert not any(word in str(told.value) for word in ("quetzal", "quokkas", *case.secrets))

    @asks("C13")
    def test_what_cannot_be_read_is_quarantined_by_its_field(self, case: Answers) -> None:
        """It says which field it was, and not what stood in it."""
        source = case.connect()
        body = case.body("a1", {QUESTION: "quetzal"}, "the day before quetzal day")
        for broken in (body, body[:-1], b"[1]", b'"quetzal"'):
            if isinstance(source, Hinted):
                source.hint(broken)  # which anybody may send, and which never raises
            with pytest.raises(MappingError) as told:
                source.read(broken)
            assert told.value.field
            assert "quetzal" not in str(told.value)


class PollingSuite(FeedSuite):
    """What every source that is asked for its answers must hold; the case's adapter is a Source, too."""

    @asks("C10")
    def test_what_is_fetched_reads_like_its_hook(self, case: Feed) -> None:
        """One answer, whichever way it came."""
        with reader_of(case) as reader:
            made = case.add(reader.stand, 1)
            reader.pass_time(case.lag + HOUR)
            fetched = reader.sweep()[made]
            source = reader.adapter
            assert isinstance(source, Source)
            record = source.read(fetched)
            assert record is not None
            assert record.id == made
            assert record.submitted_at.utcoffset() is not None
