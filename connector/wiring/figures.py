"""What the configuration says about figures, in the words of the lanes that count."""

from __future__ import annotations

from connector.config import Loaded
from connector.config import reporting as written
from connector.config.directory import directory_names
from connector.config.playbooks import Alert
from connector.domain.expressions import compile_template
from connector.domain.model.context import Names
from connector.domain.reporting import noticing, period
from connector.domain.reporting.names import names_in
from connector.sync import settings


def figures_policy(loaded: Loaded) -> settings.FiguresPolicy:
    """The whole of it; every text is known to compile."""
    config, report = loaded.config, loaded.config.report
    return settings.FiguresPolicy(
        minimum=max(config.privacy.minimum_n, report.minimum or 0),
        targets=report.targets.numbers,
        baseline=None if report.baseline is None else period.dated(report.baseline),
        by=report.by,
        mails=tuple(_mail(each, loaded) for each in report.mail),
        coaching=tuple(_coaching(each, loaded) for each in config.coaching),
        trends=tuple(_trend(each, loaded) for each in config.trends),
    )


def _mail(mail: written.Mail, loaded: Loaded) -> settings.MailRule:
    to = compile_template(mail.to, _names("report", loaded), "absent")
    return settings.MailRule(connection=mail.connection, to=to, every=mail.every, by=mail.by)


def _coaching(rule: written.Coaching, loaded: Loaded) -> settings.CoachingRule:
    when = noticing.Coaching(
        by=rule.by, low=rule.low, within=rule.within, minimum=rule.minimum, not_for=tuple(sorted(rule.not_for))
    )
    return settings.CoachingRule(when=when, alert=_alert(rule.notify, "coaching", loaded))


def _trend(rule: written.Trend, loaded: Loaded) -> settings.TrendRule:
    when = noticing.Trend(
        by=rule.by, metric=rule.metric, weeks=rule.weeks, minimum=rule.minimum, below=rule.below, drop=rule.drop
    )
    return settings.TrendRule(when=when, alert=_alert(rule.notify, "trend", loaded))


def _alert(alert: Alert, place: str, loaded: Loaded) -> settings.SendAlert:
    names = _names(place, loaded)
    return settings.SendAlert(
        connection=alert.connection,
        channel=compile_template(alert.channel, names, "absent"),
        text=compile_template(alert.text, names, "absent"),
    )


def _names(place: str, loaded: Loaded) -> Names:
    return names_in(place, loaded.config.segments, directory_names(loaded.directory))
