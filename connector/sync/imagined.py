"""Recoveries as they would have gone: opened, joined and closed in memory, while a history is played again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from statistics import median

from connector.domain.model.recovery import Recovery, RecoveryState, Severity
from connector.domain.recovery.opening import Move, Standing, on_happy, on_unhappy
from connector.store.looking_back import Span

Spans = Mapping[tuple[int, str], Sequence[Span]]


@dataclass(slots=True)
class Running:
    """One that is open. `seen`: something of it was sent, so that it is not called off any more."""

    recovery: Recovery
    closes_at: datetime | None
    answers: set[str]
    seen: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """What an answer did to one recovery, as it is afterwards."""

    move: Move
    running: Running


@dataclass(frozen=True, slots=True, kw_only=True)
class Closings:
    """When recoveries are closed. `spans` are the recorded ones; `usual` how long they took, by playbook.

    Under None it is how long they took whatever the playbook.
    """

    spans: Spans
    usual: Mapping[str | None, timedelta]

    @classmethod
    def of(cls, spans: Spans) -> Closings:
        """From what was recorded; usual is the median."""
        took: dict[str | None, list[float]] = {}
        for (_, playbook), some in spans.items():
            for span in some:
                if span.until is not None:
                    seconds = (span.until - span.since).total_seconds()
                    took.setdefault(playbook, []).append(seconds)
                    took.setdefault(None, []).append(seconds)
        return cls(spans=spans, usual={name: timedelta(seconds=median(some)) for name, some in took.items()})

    def closes_at(self, person: int, playbook: str, opened_at: datetime) -> datetime | None:
        """When a recovery opened then would be closed; None: it would still be open.

        With the one the person really had open then; where they had none, after as long as it usually takes.
        """
        for span in self.spans.get((person, playbook), ()):
            is_that_one = opened_at == span.since
            if is_that_one or (span.since < opened_at and (span.until is None or opened_at < span.until)):
                return span.until
        usual = self.usual.get(playbook, self.usual.get(None))
        return None if usual is None else opened_at + usual


@dataclass(slots=True)
class Imagined:
    """All of them, by person and playbook; at most one is open of each."""

    playbooks: Sequence[str]
    closings: Closings
    _open: dict[tuple[int, str], Running] = field(default_factory=dict)
    _made: int = 0

    def running(self, person: int, now: datetime) -> Running | None:
        """The worst of the person's recoveries that are open at `now`."""
        found = [one for name in self.playbooks if (one := self._standing(person, name, now)) is not None]
        return max(found, key=lambda one: (one.recovery.severity.rank, -one.recovery.id), default=None)

    def act(self, person: int, key: str, wanted: Mapping[str, Severity], now: datetime) -> Iterator[Moved]:
        """Take each playbook's move for the answer `key`; `wanted` are those the rules ask for."""
        for name in self.playbooks:
            running = self._standing(person, name, now)
            standing = Standing()
            if running is not None:
                answers = frozenset(running.answers)
                standing = Standing(recovery=running.recovery, answers=answers, ticket_sent=running.seen)
            step = on_unhappy(key, wanted[name], standing) if name in wanted else on_happy(key, standing)
            if step.move is Move.NOTHING:
                continue
            if running is None:
                running = self._begin(person, name, key, step.severity, now)
            running.recovery = replace(running.recovery, severity=step.severity)
            if step.move is Move.CANCEL:
                del self._open[person, name]
            elif step.move is Move.JOIN:
                running.answers.add(key)
            yield Moved(move=step.move, running=running)

    def _standing(self, person: int, name: str, now: datetime) -> Running | None:
        running = self._open.get((person, name))
        if running is not None and running.closes_at is not None and running.closes_at <= now:
            del self._open[person, name]
            return None
        return running

    def _begin(self, person: int, name: str, key: str, severity: Severity, now: datetime) -> Running:
        self._made += 1
        recovery = Recovery(
            id=self._made,
            person_id=person,
            playbook=name,
            state=RecoveryState.OPEN,
            severity=severity,
            opened_by=key,
            opened_at=now,
        )
        made = Running(recovery=recovery, closes_at=self.closings.closes_at(person, name, now), answers={key})
        self._open[person, name] = made
        return made
