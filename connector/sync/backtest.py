"""Recorded answers played again under other rules, thresholds and weights: what would have come of them.

Nothing is written and nobody is called. The decisions are those of `decide`, made by the same functions of the domain;
what the world did meanwhile is taken from what was recorded, or assumed as docs/backtest.md says.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from math import ceil
from typing import Final

from connector.domain.matching.ladder import LinkChoice, Missing, PersonChoice
from connector.domain.model.intent import WriteKind
from connector.domain.model.person import Evidence, KeyKind, Link, LinkState
from connector.domain.model.recovery import Severity
from connector.domain.model.score import Fact, Score
from connector.domain.recovery.act_on import may_notify
from connector.domain.recovery.opening import Move
from connector.domain.recovery.thresholds import Verdict, judge_ratings
from connector.domain.scoring.facts import facts_of
from connector.domain.scoring.score import band, score
from connector.store import contacts, links, looking_back
from connector.store.canonical import substance
from connector.store.responses import Version
from connector.store.transaction import Transaction
from connector.sync import rules
from connector.sync.context import Matter, completed, recovery_values, values
from connector.sync.decide import acts_on
from connector.sync.evaluations import Evaluations
from connector.sync.identify import Identity, keys_offered
from connector.sync.imagined import Closings, Imagined, Running
from connector.sync.planning import about_ticket, may_write
from connector.sync.rescore import SIGNALS
from connector.sync.rules import Ruling
from connector.sync.settings import DecideSettings, NotifyStep, Step, TaskStep, TicketStep
from connector.sync.slices import slices
from connector.sync.winning_back import ANSWER_CHANGED

KINDS: Final = (WriteKind.TICKET, WriteKind.NOTE, WriteKind.TASK, WriteKind.ALERT, WriteKind.EVENT)
"""What rules lead to. Contacts, timelines and scores are written whatever the rules say, and not counted."""
_KNOWN: Final = PersonChoice(person_id=None, anonymous=False, evidence=Evidence(decided_by="as recorded"))
_RECENT: Final = 3


@dataclass(slots=True)
class Tally:
    """What would have come of the answers that count. `opened` by playbook and severity; `bands` of persons, now.

    `fired`: how often each rule `on: score` began to hold.

    `turned` and `calmed` are answers that were not unhappy and would be, and the other way round. `wordless` are
    answers whose words retention took: rules about words find none.
    """

    answers: int = 0
    unhappy: int = 0
    turned: int = 0
    calmed: int = 0
    wordless: int = 0
    joined: int = 0
    called_off: int = 0
    requests: int = 0
    opened: Counter[tuple[str, str]] = field(default_factory=Counter)
    made: Counter[WriteKind] = field(default_factory=Counter)
    fired: Counter[str] = field(default_factory=Counter)
    bands: Counter[str | None] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    """What one decided version of an answer said; `record_only`: to nobody."""

    substance: str
    record_only: bool


@dataclass(slots=True)
class Backtest:
    """One run over the history, oldest decision first: `play` each version, then `finish`.

    Answers decided before `since` are played and not counted: they open what later ones join. `batches` is how many
    records of an account and kind one request takes.
    """

    tx: Transaction
    settings: DecideSettings
    since: datetime
    batches: Mapping[tuple[str, WriteKind], int]
    tally: Tally = field(default_factory=Tally)
    _recoveries: Imagined = field(init=False)
    _edited: frozenset[int] = field(init=False)
    _signals: Mapping[int, list[Fact]] = field(init=False)
    _needs: frozenset[str] = field(init=False)
    _facts: dict[int, dict[str, tuple[Fact, ...]]] = field(default_factory=dict)
    _said: dict[int, list[_Said]] = field(default_factory=dict)
    _recent: dict[int, dict[int, Version]] = field(default_factory=dict)
    _links: dict[int, Mapping[str, LinkChoice]] = field(default_factory=dict)
    _opened: list[Running] = field(default_factory=list)
    _evaluations: Evaluations | None = None
    _sent: Counter[tuple[str, WriteKind, int]] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        closings = Closings.of(looking_back.spans(self.tx, ANSWER_CHANGED))
        self._recoveries = Imagined(playbooks=sorted(self.settings.playbooks), closings=closings)
        self._edited = looking_back.edited(self.tx)
        self._signals = _as_configured(looking_back.signals(self.tx, SIGNALS), self.settings)
        policy = self.settings.score
        if policy is not None and self.settings.score_rules:
            self._evaluations = Evaluations(
                tx=self.tx, settings=self.settings, config=policy.config, since=self.since, fired=self._on_score
            )
        self._needs = frozenset(path.partition(".")[0] for rule in self.settings.rules for path in rule.when.paths)

    def play(self, version: Version) -> None:
        """Decide one version again, at the moment it was decided."""
        now, person = version.decided_at, version.person_id
        assert now is not None, "only what was decided is played"
        verdict = judge_ratings(version.response.ratings, slices(version.response), self.settings.thresholds)
        counts = now >= self.since
        if counts:
            self._count(version, verdict)
        if person is not None and self.settings.score is not None:
            found = facts_of(version.response, version.understanding, self.settings.score.config)
            self._facts.setdefault(person, {})[version.response.key] = found
            self._evaluate(version, person, now)
        if not version.record_only and acts_on(version, now, self.settings) and not self._is_told(version):
            self._act(version, verdict, now, counts=counts)
        self._remember(version)

    def finish(self, now: datetime) -> Tally:
        """What came of it all, with every person's score as of `now`."""
        for one in self._opened:
            self.tally.opened[one.recovery.playbook, one.recovery.severity.value] += 1
        if self._evaluations is not None:
            self._evaluations.finish(now)
        policy = self.settings.score
        for person in self._facts.keys() | self._signals.keys() if policy is not None else ():
            facts = self._known(person)
            if policy is not None and facts:
                self.tally.bands[band(facts, now, policy.config)] += 1
        self.tally.requests = sum(
            ceil(number / self.batches.get((account, kind), 1)) for (account, kind, _), number in self._sent.items()
        )
        return self.tally

    def _evaluate(self, version: Version, person: int, now: datetime) -> None:
        """Let the rules `on: score` see what the answer did to the score, and the days before it."""
        if self._evaluations is None:
            return
        if version.record_only:
            self._evaluations.recorded(person, self._known(person), now)
        else:
            self._evaluations.answered(person, self._known(person), now, acts=acts_on(version, now, self.settings))

    def _on_score(self, rulings: Sequence[Ruling], now: datetime) -> None:
        counts = now >= self.since
        self.tally.fired.update([ruling.rule for ruling in rulings] if counts else [])
        for alert in rules.alerts_wanted(rulings):
            self._make(WriteKind.ALERT, alert.connection, now, counts=counts)
        for start in rules.events_wanted(rulings):
            self._make(WriteKind.EVENT, start.connection, now, counts=counts)

    def _count(self, version: Version, verdict: Verdict) -> None:
        tally = self.tally
        tally.answers += 1
        tally.unhappy += verdict.unhappy
        tally.turned += verdict.unhappy and version.unhappy is False
        tally.calmed += not verdict.unhappy and version.unhappy is True
        tally.wordless += version.trimmed

    def _is_told(self, version: Version) -> bool:
        """Whether an earlier version said the same to somebody: what an import only recorded led to nothing."""
        said = [] if version.number == 1 else self._said.get(version.response_id, [])
        if said and said[-1].record_only:
            said = [one for one in said if not one.record_only]
        return bool(said) and said[-1].substance == substance(version.response)

    def _remember(self, version: Version) -> None:
        if version.response_id in self._edited:
            said = _Said(substance=substance(version.response), record_only=bool(version.record_only))
            self._said.setdefault(version.response_id, []).append(said)
        if "recent" in self._needs and version.person_id is not None:
            self._recent.setdefault(version.person_id, {})[version.response_id] = version

    def _act(self, version: Version, verdict: Verdict, now: datetime, *, counts: bool) -> None:
        matter = self._matter(version, verdict, now)
        running = None if version.person_id is None else self._recoveries.running(version.person_id, now)
        known = {} if running is None else recovery_values(running.recovery, len(running.answers))
        matched = rules.matching(self.settings.rules, values(matter, self.settings, known))
        worst = self._recover(matter, rules.recoveries_wanted(matched), counts=counts)
        alerts, started = rules.alerts_wanted(matched), rules.events_wanted(matched)
        if not may_notify(version.event_at, now, self.settings.notify_within):
            alerts = []
        for alert in alerts:
            self._make(WriteKind.ALERT, alert.connection, now, counts=counts)
        for start in started:
            self._make(WriteKind.EVENT, start.connection, now, counts=counts)
        if worst is not None and (alerts or started):
            worst.seen = True

    def _recover(self, matter: Matter, wanted: Mapping[str, Severity], *, counts: bool) -> Running | None:
        """Take each playbook's move; the worst recovery the answer touched."""
        if matter.person_id is None:
            return None
        touched: list[Running] = []
        for moved in self._recoveries.act(matter.person_id, matter.version.response.key, wanted, matter.now):
            self.tally.joined += counts and moved.move is Move.JOIN
            self.tally.called_off += counts and moved.move is Move.CANCEL
            if moved.move is Move.CANCEL:
                continue
            touched.append(moved.running)
            steps = self.settings.playbooks[moved.running.recovery.playbook].steps
            if moved.move is Move.OPEN:
                made = [self._begin(matter, one, counts=counts) for one in steps]
                self._opened += [moved.running] if counts else []
            else:
                tickets = [one for one in steps if isinstance(one, TicketStep)]
                made = [self._note(one, matter.now, counts=counts) for one in tickets[:1]]
            moved.running.seen |= any(made)
        return max(touched, key=lambda one: (one.recovery.severity.rank, -one.recovery.id), default=None)

    def _begin(self, matter: Matter, step: Step, *, counts: bool) -> bool:
        """What a step of a recovery begins with; whether it makes anything.

        What people do then, and so who is told that they are late, nobody knows of an answer that led to something
        else.
        """
        if isinstance(step, NotifyStep):
            return step.after is None and self._make(
                WriteKind.ALERT, step.message.connection, matter.now, counts=counts
            )
        if not isinstance(step, TicketStep | TaskStep):
            return False
        target = self.settings.targets[step.connection]
        if isinstance(step, TaskStep):
            if "task" not in target.sections or not may_write(self._identity(matter.version), target.account):
                return False
            return self._make(WriteKind.TASK, step.connection, matter.now, counts=counts)
        if "ticket" not in target.sections:
            return False
        is_theirs = about_ticket(self.tx, matter.version.response.interaction, target) is not None
        kind = WriteKind.NOTE if is_theirs else WriteKind.TICKET
        return self._make(kind, step.connection, matter.now, counts=counts)

    def _note(self, step: TicketStep, now: datetime, *, counts: bool) -> bool:
        if "note" not in self.settings.targets[step.connection].sections:
            return False
        return self._make(WriteKind.NOTE, step.connection, now, counts=counts)

    def _make(self, kind: WriteKind, connection: str, now: datetime, *, counts: bool) -> bool:
        if counts:
            target = self.settings.targets[connection]
            window = max(target.linger, timedelta(seconds=1))
            self.tally.made[kind] += 1
            self._sent[target.account, kind, int(now.timestamp() // window.total_seconds())] += 1
        return True

    def _matter(self, version: Version, verdict: Verdict, now: datetime) -> Matter:
        """As much of it as the rules speak of."""
        person, response = version.person_id, version.response
        identity = (
            self._identity(version) if self._needs & {"match", "contact", "links", "respondent"} else _nobody(person)
        )
        contact = None
        for account, choice in identity.links.items():
            if choice.link.state is LinkState.LINKED and choice.link.remote_id is not None:
                contact = contacts.get(self.tx, account, choice.link.remote_id)
                break
        recent: Sequence[Version] = ()
        if person is not None and "recent" in self._needs:
            others = [one for one in self._recent.get(person, {}).values() if one.response_id != version.response_id]
            others = [one for one in others if one.event_at <= version.event_at]
            recent = sorted(others, key=lambda one: (one.event_at, one.response.key), reverse=True)[:_RECENT]
        is_asked = "respondent" in self._needs
        return Matter(
            version=version,
            verdict=verdict,
            identity=identity,
            score=None if person is None or "score" not in self._needs else self._score(person, now),
            previous=version if version.number > 1 and self._said.get(version.response_id) else None,
            recent=recent,
            respondent=completed(self.tx, response.respondent, person, contact) if is_asked else response.respondent,
            contact=contact,
            now=now,
        )

    def _known(self, person: int) -> list[Fact]:
        """The facts of a person so far."""
        said = [fact for facts in self._facts.get(person, {}).values() for fact in facts]
        return [*said, *self._signals.get(person, ())]

    def _score(self, person: int, now: datetime) -> Score | None:
        policy, facts = self.settings.score, self._known(person)
        return None if policy is None or not facts else score(facts, now, policy.config)

    def _identity(self, version: Version) -> Identity:
        """Who it is and which contacts they are, as is known now."""
        person = version.person_id
        if person is None:
            return _nobody(None)
        if person not in self._links:
            known = {one.account: one for one in links.of_person(self.tx, person)}
            self._links[person] = {
                target.account: _choice(known.get(target.account), target.account, self.settings)
                for target in self.settings.crms()
            }
        brings_id = KeyKind.CRM_ID in keys_offered(version.response) and self.settings.missing is not Missing.IGNORE
        return replace(_nobody(person), links=self._links[person], names_contact=brings_id)


def _nobody(person: int | None) -> Identity:
    return Identity(person_id=person, choice=replace(_KNOWN, person_id=person, anonymous=person is None), links={})


def _choice(known: Link | None, account: str, settings: DecideSettings) -> LinkChoice:
    unlinked = Link(account=account, state=LinkState.UNLINKED, remote_id=None, evidence=_KNOWN.evidence)
    made = unlinked if known is None else known
    return LinkChoice(link=made, create=made.state is LinkState.UNLINKED and settings.missing is Missing.CREATE)


def _as_configured(recorded: Mapping[int, list[Fact]], settings: DecideSettings) -> dict[int, list[Fact]]:
    """Facts from elsewhere as those of the components that are configured to be read from there now."""
    if settings.score is None:
        return {}
    begin: list[tuple[str, str, bool]] = []
    for signal in settings.score.signals:
        target = settings.targets.get(signal.connection)
        if target is not None:
            tail = "ticket/" if signal.field is None else signal.field
            begin.append((f"{SIGNALS}{target.account}/{tail}", signal.component, signal.field is None))
    found: dict[int, list[Fact]] = {}
    for person, facts in recorded.items():
        for fact in facts:
            for source, component, is_prefix in begin:
                if fact.source.startswith(source) if is_prefix else fact.source == source:
                    found.setdefault(person, []).append(replace(fact, component=component))
    return found
