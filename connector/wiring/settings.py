"""The configuration in the words of the deciding half: vendors and files resolved, nothing left to look up."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from zoneinfo import ZoneInfo

from connector.clock import Clock
from connector.config import Config, Loaded
from connector.config import playbooks as written
from connector.config.defects import ANY, Defect
from connector.config.scoring import scoring
from connector.domain.defects import Policy
from connector.domain.matching.fuzzy import Do, Fuzzy
from connector.domain.matching.ladder import Missing
from connector.domain.model.recovery import Severity
from connector.domain.recovery.thresholds import Threshold
from connector.sync import settings
from connector.transport.grants import MemoryTokens
from connector.transport.kit import Kit
from connector.wiring import books, messages
from connector.wiring.adapters import Adapters, make_adapters
from connector.wiring.figures import figures_policy

OURS = frozenset({"answers", "sentiment"})


def settings_at_rest(loaded: Loaded, clock: Clock) -> settings.DecideSettings:
    """Settings for looking at what was decided, by a command that calls no vendor."""
    return settings_with(loaded, adapters_at_rest(loaded, clock))


def adapters_at_rest(loaded: Loaded, clock: Clock) -> Adapters:
    """Adapters of which only the pure half is used."""
    return make_adapters(loaded.config, Kit(clock=clock, token_store=MemoryTokens(clock), read_only=True))


def settings_with(loaded: Loaded, adapters: Adapters) -> settings.DecideSettings:
    """Settings for the deciding lanes, with these adapters."""
    return decide_settings(loaded, adapters.accounts, {name: one.account for name, one in adapters.records.items()})


def decide_settings(
    loaded: Loaded, accounts: Mapping[str, str], records: Mapping[str, str] = MappingProxyType({})
) -> settings.DecideSettings:
    """Settings for the deciding lanes.

    `accounts` is the vendor account of each connection that is written to, `records` of those that keep records.
    """
    config = loaded.config
    return settings.DecideSettings(
        targets=_targets(loaded, accounts),
        thresholds=tuple(
            Threshold(metric=each.metric, scale=each.scale, at=each.at, segments=each.where)
            for each in config.thresholds
        ),
        rules=tuple(_rule(loaded, each) for each in config.rules if each.on == "answer"),
        score_rules=tuple(_rule(loaded, each) for each in config.rules if each.on == "score"),
        playbooks=books.books(config, accounts),
        book_of=books.book_of,
        score=_score(config),
        match_keys=config.match.keys,
        missing=Missing(config.match.missing),
        fuzzy=Fuzzy(do=Do(config.match.fuzzy.do), score=config.match.fuzzy.score, margin=config.match.fuzzy.margin),
        answered_within=config.act_on.answered_within,
        notify_within=config.act_on.notify_within,
        quiet=config.act_on.quiet,
        answers_to=config.answers.write_to,
        segments=config.segments,
        critical_themes=frozenset() if loaded.themes is None else loaded.themes.critical,
        operators=_operators(config),
        time_zone=ZoneInfo(config.time_zone),
        live=config.mode == "live",
        owners={
            called: connection.owner
            for name, connection in config.connections.items()
            if connection.owner is not None
            for called in {name, accounts.get(name, name)}
        },
        messages=messages.policy(config),
        follow_ups=messages.follow_ups(loaded),
        storm=settings.StormPolicy(unhappy_share=config.storm.unhappy_share, answers=config.storm.answers)
        if config.storm.hold
        else None,
        figures=figures_policy(loaded),
        directory=loaded.directory,
        interactions=frozenset()
        if config.interactions is None
        else frozenset(records[name] for name in config.interactions.source if name in records),
        defects=tuple(_tracking(each) for each in config.defects),
    )


def _targets(loaded: Loaded, accounts: Mapping[str, str]) -> dict[str, settings.Target]:
    return {
        name: settings.Target(
            account=accounts[name],
            roles=connection.roles,
            linger=connection.linger,
            sections=loaded.field_mappings.get(name, {}),
        )
        for name, connection in loaded.config.connections.items()
        if name in accounts
    }


def _rule(loaded: Loaded, rule: written.Rule) -> settings.Rule:
    return settings.Rule(
        name=rule.name,
        when=loaded.rules[rule.name],
        actions=tuple(_action(loaded, each) for each in rule.do),
        stop=rule.stop,
    )


def _action(loaded: Loaded, action: written.Action) -> settings.Effect:
    if action.start is not None:
        started = action.start
        return settings.StartWorkflow(
            connection=started.workflow,
            event=started.event,
            data={name: loaded.values[text] for name, text in started.data.items()},
        )
    if action.notify is not None:
        alert = action.notify
        return settings.SendAlert(
            connection=alert.connection,
            channel=loaded.templates[alert.channel],
            text=loaded.templates[alert.text],
        )
    assert action.open_recovery is not None  # the model refuses an action that is none of them
    return settings.OpenRecovery(playbook=action.open_recovery, severity=action.severity or Severity.NORMAL)


def _score(config: Config) -> settings.ScorePolicy | None:
    health = config.health_score
    if health is None:
        return None
    write = health.write
    policy = settings.ScorePolicy(
        config=scoring(health),
        signals=tuple(
            settings.Signal(component=name, connection=part.source, field=part.field)
            for name, part in health.components.items()
            if part.source not in OURS
        ),
        companies=health.companies,
    )
    if write is None:
        return policy
    return settings.ScorePolicy(
        config=policy.config,
        signals=policy.signals,
        companies=policy.companies,
        write_to=write.to,
        points=write.points,
        linger=write.linger,
    )


def _tracking(defect: Defect) -> settings.Tracking:
    policy = Policy(
        answers=defect.when.answers,
        people=defect.when.people,
        within=defect.when.within,
        grows_by=defect.grows_by,
        severity=defect.severity,
        reopen_within=defect.reopen_within,
    )
    theme = None if defect.theme == ANY else defect.theme
    return settings.Tracking(connection=defect.tracker, theme=theme, policy=policy, labels=defect.labels)


def _operators(config: Config) -> settings.Operators | None:
    if config.operators is None:
        return None
    notify = config.operators.notify
    return settings.Operators(connection=notify.connection, channel=notify.channel)
