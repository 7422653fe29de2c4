"""What the configuration says about figures, in the words of the lanes that count."""

from __future__ import annotations

from collections.abc import Iterable

from connector.config import Config
from connector.config import reporting as written
from connector.config.playbooks import Alert
from connector.domain.expressions import compile_template
from connector.domain.reporting import noticing, period
from connector.domain.reporting.names import names_in
from connector.sync import settings


def figures_policy(config: Config) -> settings.FiguresPolicy:
    """The whole of it; every text is known to compile."""
    report, segments = config.report, config.segments
    return settings.FiguresPolicy(
        minimum=max(config.privacy.minimum_n, report.minimum or 0),
        targets=report.targets.numbers,
        baseline=None if report.baseline is None else period.dated(report.baseline),
        by=report.by,
        mails=tuple(_mail(each, segments) for each in report.mail),
        coaching=tuple(_coaching(each, segments) for each in config.coaching),
        trends=tuple(_trend(each, segments) for each in config.trends),
    )


def _mail(mail: written.Mail, segments: Iterable[str]) -> settings.MailRule:
    to = compile_template(mail.to, names_in("report", segments), "absent")
    return settings.MailRule(connection=mail.connection, to=to, every=mail.every, by=mail.by)


def _coaching(rule: written.Coaching, segments: Iterable[str]) -> settings.CoachingRule:
    when = noticing.Coaching(
        by=rule.by, low=rule.low, within=rule.within, minimum=rule.minimum, not_for=tuple(sorted(rule.not_for))
    )
    return settings.CoachingRule(when=when, alert=_alert(rule.notify, "coaching", segments))


def _trend(rule: written.Trend, segments: Iterable[str]) -> settings.TrendRule:
    when = noticing.Trend(
        by=rule.by, metric=rule.metric, weeks=rule.weeks, minimum=rule.minimum, below=rule.below, drop=rule.drop
    )
    return settings.TrendRule(when=when, alert=_alert(rule.notify, "trend", segments))


def _alert(alert: Alert, place: str, segments: Iterable[str]) -> settings.SendAlert:
    names = names_in(place, segments)
    return settings.SendAlert(
        connection=alert.connection,
        channel=compile_template(alert.channel, names, "absent"),
        text=compile_template(alert.text, names, "absent"),
    )
