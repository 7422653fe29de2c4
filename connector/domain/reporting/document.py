"""A report as one plain document, for programs: `connector report --format json`."""

from __future__ import annotations

from connector.domain.model.intent import Json
from connector.domain.reporting.figures import Figure
from connector.domain.reporting.period import Period
from connector.domain.reporting.report import Report


def report_document(report: Report) -> dict[str, Json]:
    """Everything the report says; what is not known is null, and `why` says why."""
    return {
        "period": _period(report.period),
        "time_zone": report.zone,
        "made_at": report.made_at.isoformat(),
        "minimum": report.minimum,
        "where": dict(report.where),
        "answers": report.answers,
        "recoveries": report.recoveries,
        "figures": [_figure(each, report) for each in report.figures],
        "baseline": None
        if report.baseline_period is None
        else {**_period(report.baseline_period), "figures": [_figure(each) for each in report.baseline]},
        "by": {
            breakdown.by: [
                {"slice": one.name, "answers": one.answers, "figures": [_figure(each) for each in one.figures]}
                for one in breakdown.slices
            ]
            for breakdown in report.breakdowns
        },
        "line": [
            {**_period(point.period), "answers": point.answers, "figures": [_figure(each) for each in point.figures]}
            for point in report.line
        ],
        "root_causes": dict(report.causes),
        "themes": dict(report.themes),
    }


def _period(period: Period) -> dict[str, Json]:
    return {"name": period.name, "from": period.first.isoformat(), "to": period.last.isoformat()}


def _figure(figure: Figure, report: Report | None = None) -> dict[str, Json]:
    told: dict[str, Json] = {
        "figure": figure.id,
        "unit": figure.unit.value,
        "value": figure.value,
        "low": figure.low,
        "high": figure.high,
        "n": figure.n,
        "why": figure.why,
    }
    if report is not None:
        target = report.targets.get(figure.id)
        told |= {"target": target, "reached": None if target is None else figure.reaches(target)}
    return told
