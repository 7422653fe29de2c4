"""Whether what arrives is what was meant, and nobody else sees it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from connector.domain.model.intent import IntentState, Json
from connector.errors import RemoteError
from connector.ports.erasing import Erasing, Subject
from connector.ports.taking_back import Retractable
from connector.simulator.parts import Fault, FaultKind
from connector.testing.effect import SECOND, Effect, later, word
from connector.testing.forgetting import carry_out
from connector.testing.suite import Suite, asks
from connector.testing.trials import (
    DONE,
    WITH_NEWER,
    Trial,
    the_newest_wins,
    world_of,
)
from connector.testing.writing.records import (
    has_many,
    names_fields,
    several,
    token_calls,
)

REJECTED = {IntentState.REJECTED}


class ContentQuestions(Suite):
    """Whether what arrives is what was meant, and nobody else sees it."""

    @asks("C8", lambda case: case.merged is not None)
    def test_a_merge_is_followed(self, tmp_path: Path, case: Effect) -> None:
        """People merge the object into another; what we write arrives there."""
        with world_of(case, tmp_path) as world:
            assert case.merged is not None
            case.merged.act(world)
            world.plan(case.wanted)
            world.come_to_rest()
            assert list(case.merged.held(world)) == list(case.merged.expected)
            assert world.states(case.wanted) == DONE

    @asks("C8", lambda case: case.delete is not None)
    def test_what_is_gone_ends(self, tmp_path: Path, case: Effect) -> None:
        """People delete the object; the write ends, named, and is not tried for ever."""
        with world_of(case, tmp_path) as world:
            assert case.delete is not None
            case.delete(world)
            world.plan(case.wanted)
            world.run(timedelta(hours=2))
            assert world.states(case.wanted) == REJECTED
            assert all(world.row(one.key).reason for one in case.wanted)

    @asks("C9", lambda case: case.blank is not None)
    def test_absent_null_and_empty_differ(self, tmp_path: Path, case: Effect) -> None:
        """Absent leaves a field alone; null and an empty text clear it, and nothing else."""
        blank = case.blank
        assert blank is not None
        with world_of(case, tmp_path) as world:

            def write(version: int, **fields: Json) -> tuple[Json, Json]:
                wanted = later(case.wanted[0], fields, version)
                world.plan([wanted])
                world.come_to_rest()
                assert world.states([wanted]) == DONE
                return blank.read(world, blank.cleared), blank.read(world, blank.kept)

            full = write(2, **blank.values)
            assert None not in full
            for version, empty in ((3, None), (5, "")) if blank.is_text else ((3, None),):
                now, kept = write(version, **{blank.cleared: empty})
                assert now in (None, ""), f"{empty!r} clears the field"
                assert kept == full[1], "a field that is absent is left alone"
                assert write(version + 1, **{blank.cleared: blank.values[blank.cleared]}) == full

    @asks("C10", lambda case: case.dated is not None)
    def test_days_and_instants_arrive_as_they_are(self, tmp_path: Path, case: Effect) -> None:
        """A day stays the day it is, an instant the same instant, whatever zone it came in."""
        assert case.dated is not None
        with world_of(case, tmp_path) as world:
            world.plan([case.dated.wanted])
            world.come_to_rest()
            assert world.states([case.dated.wanted]) == DONE
            assert dict(case.dated.held(world)) == dict(case.dated.expected)

    @asks("C12", has_many)
    def test_nothing_secret_or_personal_is_seen(
        self, tmp_path: Path, case: Effect, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
    ) -> None:
        """Every library logs all it can, and the vendor's errors repeat what we sent."""
        caplog.set_level("DEBUG", "connector")
        with world_of(case, tmp_path) as world:
            wanted = several(world, case, 3)
            assert case.many is not None
            if case.many.refuse is not None:
                wanted[1] = case.many.refuse(wanted[1])
            said = f"wrong: {word(0)} {word(2)} kim0000@example.com {' '.join(world.stand.secrets)}"
            match = case.calls
            world.stand.site.faults.add(Fault(match=match, kind=FaultKind.ERROR_AFTER_COMMIT, message=said))
            world.stand.site.faults.add(Fault(match=match, kind=FaultKind.REFUSE, status=503, message=said))
            world.plan(wanted)
            world.come_to_rest()
            reasons = [world.row(one.key).reason for one in wanted]
            seen = [caplog.text, *capfd.readouterr(), *map(_told, world.writer.errors), *map(str, reasons), *world.told]
            assert world.writer.errors, "the vendor did go wrong"
            for text in seen:
                for secret in (*world.stand.secrets, "kim0000@example.com", word(1) if case.many.named else ""):
                    assert not secret or secret not in text

    @asks("C13", names_fields)
    def test_an_unknown_field_is_refused_by_its_name(self, tmp_path: Path, case: Effect) -> None:
        """The record alone is quarantined, and the operators read which field it was."""
        with world_of(case, tmp_path) as world:
            (wanted,) = several(world, case, 1)
            assert case.many is not None
            assert case.many.refuse is not None
            world.plan([case.many.refuse(wanted)])
            world.come_to_rest()
            assert world.states([wanted]) == REJECTED
            assert world.told == [f"rejected/{case.kind}/{case.many.named}"]

    @asks("C14", lambda case: bool(case.newer), variants=lambda case: WITH_NEWER)
    def test_the_newest_wins_when_the_first_is_in_doubt(self, tmp_path: Path, case: Effect, variant: Trial) -> None:
        """A newer version of the answer comes while it is not known what became of the first."""
        the_newest_wins(tmp_path, case, variant)

    @asks("C14", lambda case: bool(case.newer))
    def test_an_older_value_overwrites_nothing(self, tmp_path: Path, case: Effect) -> None:
        """What an older answer wants comes last."""
        with world_of(case, tmp_path) as world:
            for wanted in (case.wanted, case.newer):
                world.plan(wanted)
                world.come_to_rest()
            late = [
                replace(new, key=f"{old.key}/late", fields=old.fields, cause_at=old.cause_at - SECOND)
                for old, new in zip(case.wanted, case.newer, strict=True)
            ]
            world.plan(late)
            world.come_to_rest()
            assert list(case.held(world)) == list(case.changed)

    @asks("C15")
    def test_observing_opens_no_write(self, tmp_path: Path, case: Effect) -> None:
        """Everything is planned and held; an adapter that may only read refuses before a socket opens."""
        with world_of(case, tmp_path) as world:
            world.run()
            before, held = len(world.stand.site.requests), list(case.held(world))
            world.live = False
            world.restart()
            world.plan(case.wanted)
            world.run(timedelta(hours=1))
            reader = world.stand.connect(world.kit(read_only=True))
            items = [world.item(one) for one in case.wanted][: case.promise.batch]
            request = world.writer.render(case.kind, items)
            with pytest.raises(RemoteError):
                reader.send(case.kind, request, len(items))
            assert len(world.stand.site.requests.writes(before)) == token_calls(world, before)
            assert list(case.held(world)) == held
            assert world.states(case.wanted) == {IntentState.HELD}

    @asks("C14", lambda case: case.retracts)
    def test_what_is_taken_back_says_why(self, tmp_path: Path, case: Effect) -> None:
        """A run is undone: the record is read, changed, and read again; what is gone is absent."""
        with world_of(case, tmp_path) as world:
            world.plan(case.wanted)
            world.come_to_rest()
            (wanted,) = case.wanted
            made = world.remote_id(wanted.object)
            writer = world.writer.inner
            assert isinstance(writer, Retractable)
            changes = writer.retract(case.kind, world.item(wanted).fields, "taken back")
            before = writer.read_records(case.kind, [made], list(changes))
            again = later(wanted, changes)
            world.plan([again])
            world.come_to_rest()
            assert world.states([again]) == DONE
            after = writer.read_records(case.kind, [made], list(changes))
            assert set(before) == set(after) == {made}
            assert "taken back" in str(after[made]).lower()
            assert "taken back" not in str(before[made]).lower()

    @asks("C16", lambda case: case.erase is not None)
    def test_an_erased_person_is_gone(self, tmp_path: Path, case: Effect) -> None:
        """What was written about them is gone; asking again finds nothing more; each object is reported once."""
        with world_of(case, tmp_path) as world:
            world.plan(case.wanted)
            world.come_to_rest()
            writer = world.writer.inner
            assert case.erase is not None
            assert isinstance(writer, Erasing)
            subject = case.erase(world)
            texts = [text for one in case.wanted for text in one.fields.values() if isinstance(text, str)]
            assert any(text in str(case.held(world)) for text in texts), "there is something to erase"
            assert carry_out(writer, subject, world.advance), "it must say what became of what we wrote"
            for _ in range(2):
                carry_out(writer, subject, world.advance)
                assert not any(text in str(case.held(world)) for text in texts)
            assert list(writer.erase(Subject())) == [], "nobody was to be erased"


def _told(error: RemoteError) -> str:
    return f"{error} {error!r} {error.message} {error.operation} {error.reply} {error.request_id}"
