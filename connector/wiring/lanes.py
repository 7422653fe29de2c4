"""Which lanes there are, and what each of them works with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from connector.clock import Clock
from connector.config import Loaded
from connector.domain.analysis.language import Languages
from connector.domain.analysis.sentiment import EnglishSentiment
from connector.domain.analysis.themes import Themes
from connector.domain.analysis.understand import understand as understand_comment
from connector.domain.model.intent import WriteKind
from connector.domain.model.response import Understanding
from connector.ports import Tickets, Writer
from connector.ports.erasing import Erasing
from connector.ports.taking_back import Retractable
from connector.store import erasures, lanes, undoings
from connector.store.database import Database
from connector.store.transaction import Transaction
from connector.sync import (
    decide,
    erasing,
    figures,
    retention,
    timers,
    understand,
    undo,
)
from connector.sync.lane import Drain
from connector.sync.operators import tell_operators
from connector.sync.outlet import Limits, Notify, Prepare, as_planned
from connector.sync.preparing import TicketLook
from connector.sync.settings import DecideSettings
from connector.sync.unchanged import UndoLook
from connector.sync.withholding import MessageLook
from connector.sync.write import WriteLane
from connector.wiring.adapters import Adapters
from connector.wiring.directory import current
from connector.wiring.polls import Polls
from connector.wiring.telemetry import Telemetry


def make_lanes(
    *,
    loaded: Loaded,
    settings: DecideSettings,
    db: Database,
    clock: Clock,
    adapters: Adapters,
    limits: Mapping[str, Limits],
    telemetry: Telemetry,
) -> dict[str, Drain]:
    """Every lane of one configuration, by name. `limits` are those of each connection that is written to."""
    reading, now = make_reading(loaded, adapters), current(loaded, settings, db)
    drains: dict[str, Drain] = {
        understand.LANE: understand.UnderstandLane(
            db=db, reading=lambda: reading, on_understood=telemetry.understood, notify=notifying(settings)
        ).drain,
        decide.LANE: decide.DecideLane(db=db, settings=now, on_decided=telemetry.decided).drain,
        timers.LANE: timers.TimersLane(db=db, settings=now).drain,
        erasing.LANE: erasing.ErasureLane(db=db, erasers=erasers_of(loaded, adapters), may_call=settings.live).drain,
        retention.LANE: retention.RetentionLane(db=db, spans=spans_of(loaded)).drain,
        figures.LANE: figures.FiguresLane(db=db, settings=now).drain,
        undo.LANE: undo.UndoLane(db=db, settings=lambda: settings, retractable=retractable(adapters)).drain,
    }
    telemetry.follow(erasing.LANE, erasures.due_since)
    telemetry.follow(retention.LANE, partial(lanes.due_at, name=retention.LANE))
    telemetry.follow(figures.LANE, partial(lanes.due_at, name=figures.LANE))
    telemetry.follow(undo.LANE, undoings.asked_since)
    telemetry.follow(timers.LANE, partial(timers.overdue_since, scores=settings.score is not None))
    for name, adapter in adapters.made.items():
        if isinstance(adapter, Writer):
            look: Prepare = as_planned
            if isinstance(adapter, Tickets):
                look = TicketLook(db=db, tickets=adapter, settings=now)
            elif WriteKind.MESSAGE in adapter.promises:
                look = MessageLook(db=db, settings=now)
            lane = WriteLane(
                db,
                adapter,
                clock,
                limits[name],
                live=settings.live,
                notify_operators=notifying(settings),
                on_settled=telemetry.settled,
                prepare=UndoLook(db=db, writer=adapter, otherwise=look),
                readings=telemetry.readings,
            )
            drains[lane.name] = lane.drain
    polled = Polls(
        loaded=loaded, settings=settings, now=now, db=db, adapters=adapters, limits=limits, telemetry=telemetry
    )
    return drains | polled.lanes()


def spans_of(loaded: Loaded) -> retention.Spans:
    """How long each class of data is kept."""
    kept = loaded.config.privacy.retention
    return retention.Spans(payloads=kept.payloads, comments=kept.comments, answers=kept.answers.anonymize_after)


def erasers_of(loaded: Loaded, adapters: Adapters) -> list[erasing.Eraser]:
    """Who is told to erase a person. A survey tool is told of the answers to its own forms."""
    config = loaded.config
    found = []
    for name, adapter in adapters.made.items():
        if not isinstance(adapter, Erasing):
            continue
        if isinstance(adapter, Writer):
            found.append(erasing.Eraser(account=adapter.account, system=adapter))
            continue
        kind = config.connections[name].kind
        forms = {(kind, form) for survey in config.surveys.values() if survey.source == name for form in survey.forms}
        found.append(erasing.Eraser(account=name, system=adapter, forms=frozenset(forms)))
    return found


def retractable(adapters: Adapters) -> dict[str, Retractable]:
    """The writers, by account, that can take their records back."""
    return {
        adapter.account: adapter
        for adapter in adapters.made.values()
        if isinstance(adapter, Writer) and isinstance(adapter, Retractable)
    }


def make_reading(loaded: Loaded, adapters: Adapters) -> understand.Reading:
    """What reading deliveries needs: sources by kind, surveys by kind and form, and the analysis of comments."""
    config = loaded.config
    analysis = CommentAnalysis(
        languages=Languages(config.analysis.languages), themes=loaded.themes, sentiment=EnglishSentiment()
    )
    return understand.Reading(
        sources={source.kind: source for source in adapters.sources.values()},
        forms={
            (config.connections[survey.source].kind, form): understand.Form(
                survey=name, mapping=loaded.survey_mappings[name]
            )
            for name, survey in config.surveys.items()
            for form in survey.forms
        },
        analyse=analysis,
        answered_within=config.act_on.answered_within,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CommentAnalysis:
    """Understands comments with one set of models."""

    languages: Languages
    themes: Themes | None
    sentiment: EnglishSentiment

    def __call__(self, comment: str | None, hint: str | None) -> Understanding:
        """What the comment adds to its answer."""
        return understand_comment(
            comment, hint, languages=self.languages, themes=self.themes or Themes({}), sentiment=self.sentiment
        )


def notifying(settings: DecideSettings) -> Notify:
    """Tells the operators a configuration names."""

    def tell(tx: Transaction, account: str, cause: str, text: str) -> None:
        tell_operators(tx, settings, account, cause, text)

    return tell
