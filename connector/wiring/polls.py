"""The lanes that read: what changed in other systems, and the lists of the directory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from connector.config import Loaded
from connector.ports import Contacts, Polling, Tasks, Tickets, Writer
from connector.ports.conversations import Conversations
from connector.ports.tracking import Issues
from connector.store import defects, lanes
from connector.store.database import Database
from connector.store.defects import lane_of_conversations, lane_of_issues
from connector.sync import directory, fetch, interactions, poll, task_poll
from connector.sync.conversations import Analyse, ConversationsPoll
from connector.sync.directory import Current
from connector.sync.issues import IssuesPoll
from connector.sync.lane import Drain
from connector.sync.outlet import Limits
from connector.sync.pausing import unless_paused
from connector.sync.settings import DecideSettings
from connector.wiring.adapters import Adapters
from connector.wiring.telemetry import Telemetry


@dataclass(frozen=True, slots=True, kw_only=True)
class Polls:
    """What reading needs of one configuration; `now` is its settings with the lists as they last were."""

    loaded: Loaded
    settings: DecideSettings
    now: Current
    db: Database
    adapters: Adapters
    limits: Mapping[str, Limits]
    telemetry: Telemetry
    analyse: Analyse

    def lanes(self) -> dict[str, Drain]:
        """Every lane that reads, by name."""
        drains: dict[str, Drain] = {}
        for name, adapter in self.adapters.made.items():
            if isinstance(adapter, Contacts):
                drains |= self._contacts(name, adapter)
            if isinstance(adapter, Tickets):
                drains |= self._tickets(name, adapter)
            if isinstance(adapter, Tasks):
                drains |= self._tasks(name, adapter)
            if isinstance(adapter, Conversations) and self.settings.defects:
                drains |= self._conversations(name, adapter)
            if isinstance(adapter, Writer) and isinstance(adapter, Issues):
                drains |= self._issues(name, adapter)
        return drains | self._answers() | self._records() | self._lists()

    def _contacts(self, name: str, source: Contacts) -> dict[str, Drain]:
        lane = poll.contacts_lane(source.account)
        feed = poll.ContactsPoll(db=self.db, source=source, settings=self.now, share=self.limits[name].share)
        read = poll.contacts_feed(self.settings, poll.target_of(self.settings, source.account))
        self.telemetry.follow(lane, partial(poll.due_since, feed=read, begun=self.db.clock.now()))
        return {lane: unless_paused(self.db, name, feed.drain)}

    def _tickets(self, name: str, source: Tickets) -> dict[str, Drain]:
        lane = poll.tickets_lane(source.account)
        feed = poll.TicketsPoll(db=self.db, source=source, settings=self.now, share=self.limits[name].share)
        read = poll.tickets_feed(source.account)
        self.telemetry.follow(lane, partial(poll.due_since, feed=read, begun=self.db.clock.now()))
        return {lane: unless_paused(self.db, name, feed.drain)}

    def _tasks(self, name: str, source: Tasks) -> dict[str, Drain]:
        lane = task_poll.tasks_lane(source.account)
        feed = task_poll.TasksPoll(db=self.db, source=source, settings=self.now, share=self.limits[name].share)
        self.telemetry.follow(lane, partial(lanes.due_at, name=lane))
        return {lane: unless_paused(self.db, name, feed.drain)}

    def _conversations(self, name: str, source: Conversations) -> dict[str, Drain]:
        """What customers wrote on their own tickets, where themes become issues."""
        lane = lane_of_conversations(source.account)
        feed = ConversationsPoll(
            db=self.db, source=source, settings=self.now, analyse=self.analyse, share=self.limits[name].share
        )
        self.telemetry.follow(lane, partial(defects.unheard_since, account=source.account))
        return {lane: unless_paused(self.db, name, feed.drain)}

    def _issues(self, name: str, source: Issues) -> dict[str, Drain]:
        lane = lane_of_issues(source.account)
        feed = IssuesPoll(db=self.db, source=source, settings=self.now, share=self.limits[name].share)
        self.telemetry.follow(lane, partial(lanes.due_at, name=lane))
        return {lane: unless_paused(self.db, name, feed.drain)}

    def _answers(self) -> dict[str, Drain]:
        """A lane for each form that is polled."""
        drains: dict[str, Drain] = {}
        for survey in self.loaded.config.surveys.values():
            source, there = self.adapters.sources[survey.source], self.adapters.made[survey.source]
            every = survey.poll
            if every is None or not isinstance(there, Polling):
                continue
            for form in survey.forms:
                lane = fetch.fetch_lane(survey.source, form)
                fetching = fetch.ResponsesFetch(
                    db=self.db,
                    connection=survey.source,
                    source=source,
                    there=there,
                    form=form,
                    since=survey.since,
                    every=every,
                    settings=lambda: self.settings,
                )
                drains[lane] = unless_paused(self.db, survey.source, fetching.drain)
                feed = fetch.fetch_feed(source.kind, form, survey.since)
                due = partial(fetch.due_since, feed=feed, begun=self.db.clock.now(), every=every)
                self.telemetry.follow(lane, due)
        return drains

    def _records(self) -> dict[str, Drain]:
        """A lane for each connection whose records of interactions are read."""
        read, drains = self.loaded.config.interactions, dict[str, Drain]()
        if read is None:
            return drains
        for name in read.source:
            source, every = self.adapters.records[name], read.every
            lane = interactions.interactions_lane(source.account)
            kept = self.loaded.config.privacy.retention.answers.anonymize_after
            feed = interactions.InteractionsPoll(
                db=self.db,
                source=source,
                settings=self.now,
                every=every,
                keep=kept,
                share=self.limits[name].share if name in self.limits else 1.0,  # a shop's files have no quota
            )
            drains[lane] = unless_paused(self.db, name, feed.drain)
            due = partial(interactions.due_since, account=source.account, begun=self.db.clock.now(), every=every)
            self.telemetry.follow(lane, due)
        return drains

    def _lists(self) -> dict[str, Drain]:
        """The lane that reads the lists of places and staff from databases, where there are such."""
        queries = self.now.queries
        if not queries:
            return {}
        lane = directory.DirectoryLane(db=self.db, queries=queries, settings=lambda: self.now.settings)
        due = partial(directory.due_since, queries=queries, begun=self.db.clock.now())
        self.telemetry.follow(directory.LANE, due)
        return {directory.LANE: lane.drain}
