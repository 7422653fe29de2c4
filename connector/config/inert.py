"""What is written, well formed, and would do nothing: refused, so that nobody relies on it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from connector.config.checks import OURS, VISITS
from connector.config.connections import CEILINGS, ConnectionKeys
from connector.config.document import Path_
from connector.config.findings import Findings, keys_of, matches
from connector.config.health import Component
from connector.domain.mapping.fields import SECTIONS
from connector.domain.scoring.config import Measure
from connector.ports import KindSpec

Specs = Mapping[str, KindSpec | None]

RATED: Final = frozenset({"weight", "from", "half_life"})
SIGNAL: Final = frozenset(keys_of(Component)) - {"metric", "half_life"}


def shared_keys(spec: KindSpec) -> frozenset[str]:
    """Which of the keys every connection may take do something on one of this kind."""
    keys = {"kind", "owner"}
    if spec.writes:
        keys |= {"linger"}
    if spec.reads_quota:
        keys |= {"quota"}
    if spec.writes.intersection(SECTIONS.values()):
        keys |= {"mapping"}
    if spec.writes.intersection(CEILINGS.values()):
        keys |= {"ceiling"}
    return frozenset(keys)


def connections(tree: Any, specs: Specs, findings: Findings) -> None:
    """Every key of a connection, and every ceiling of it, is of use to its kind."""
    for path, keys in matches(tree, ("connections", "*")):
        spec = specs.get(str(path[1]))
        if spec is None or not isinstance(keys, Mapping):
            continue
        useless = set(keys_of(ConnectionKeys)) - shared_keys(spec)
        for key in keys:
            if key in useless:
                findings.add((*path, key), f"does nothing here: {_why(spec, key)}; remove `{key}`")
        if "ceiling" not in useless:
            _ceilings((*path, "ceiling"), keys.get("ceiling"), spec, findings)


def _why(spec: KindSpec, key: str) -> str:
    if not spec.writes:
        return f"a connection of kind {spec.kind!r} writes nothing"
    what = {"quota": "says nothing of a quota", "mapping": "writes no mapped fields"}.get(key, "makes nothing to count")
    return f"a connection of kind {spec.kind!r} {what}"


def _ceilings(path: Path_, ceilings: object, spec: KindSpec, findings: Findings) -> None:
    able = [name for name, kind in CEILINGS.items() if kind in spec.writes]
    for name in ceilings if isinstance(ceilings, Mapping) else ():
        if name in CEILINGS and name not in able:
            message = f"does nothing here: a connection of kind {spec.kind!r} makes none; it takes {', '.join(able)}"
            findings.add((*path, name), message)


def engine(tree: Any, findings: Findings) -> None:
    """Threads have no broker, and Celery has one."""
    for path, keys in matches(tree, ("engine",)):
        if not isinstance(keys, Mapping):
            continue
        if keys.get("kind") == "celery" and "broker" not in keys:
            findings.missing((*path, "broker"))
        if keys.get("kind", "embedded") == "embedded":
            for key in ("broker", "queue"):
                if key in keys:
                    findings.add((*path, key), f"does nothing here: only `kind: celery` reads it; remove `{key}`")


def storm(tree: Any, findings: Findings) -> None:
    """Nothing is said about when to hold what is never held."""
    for path, keys in matches(tree, ("storm",)):
        if isinstance(keys, Mapping) and keys.get("hold") is False:
            for key in ("unhappy_share", "answers"):
                if key in keys:
                    findings.add((*path, key), f"does nothing here: with `hold: false` nothing is held; remove `{key}`")


def components(tree: Any, specs: Specs, findings: Findings) -> None:
    """Every key of a component is read for its source, and a CRM's component says which field."""
    for path, keys in matches(tree, ("health_score", "components", "*")):
        source = keys.get("from") if isinstance(keys, Mapping) else None
        if not isinstance(source, str):
            continue
        if source in OURS:
            useful = RATED | ({"metric"} if source == "answers" else set())
            _useless(path, keys, useful, f"a component from {source}", findings)
            continue
        if source == VISITS:
            _useless(path, keys, SIGNAL - {"field"}, "a component from records of interactions", findings)
            _visits(tree, path, keys, findings)
            continue
        spec = specs.get(source)
        if spec is None or not spec.roles & {"crm", "helpdesk"}:
            continue
        _useless(path, keys, SIGNAL, "a component from a connection", findings)
        _signal(path, keys, spec, findings)


def _visits(tree: Any, path: Path_, keys: Mapping[str, object], findings: Findings) -> None:
    if "interactions" not in tree:
        findings.add((*path, "from"), "there are no records of interactions: name who keeps them under `interactions`")
    if keys.get("measure") == Measure.VALUE.value:
        findings.add((*path, "measure"), "visits are measured by count, days_since or amount", Measure.COUNT.value)
    _window(path, keys, findings)


def _window(path: Path_, keys: Mapping[str, object], findings: Findings) -> None:
    if "window" in keys and keys.get("measure") in [Measure.VALUE.value, Measure.DAYS_SINCE.value]:
        message = "does nothing here: only `measure: count` and `amount` look at a window; remove `window`"
        findings.add((*path, "window"), message)


def _signal(path: Path_, keys: Mapping[str, object], spec: KindSpec, findings: Findings) -> None:
    if "field" in keys and "crm" not in spec.roles:
        findings.add((*path, "field"), "does nothing here: a helpdesk's tickets are measured; remove `field`")
    if "field" not in keys and "helpdesk" not in spec.roles:
        findings.missing((*path, "field"))
    if keys.get("measure") == Measure.AMOUNT.value:
        findings.add((*path, "measure"), "only interactions have an amount", Measure.VALUE.value)
    _window(path, keys, findings)


def _useless(path: Path_, keys: Mapping[str, object], useful: frozenset[str], what: str, findings: Findings) -> None:
    for key in keys:
        if key in keys_of(Component) and key not in useful:
            findings.add((*path, key), f"does nothing here: {what} does not read it; remove `{key}`")


def surveys(tree: Any, specs: Specs, findings: Findings) -> None:
    """What is fetched can be fetched, and what is only hinted at is."""
    for path, keys in matches(tree, ("surveys", "*")):
        source = keys.get("from") if isinstance(keys, Mapping) else None
        spec = specs.get(source) if isinstance(source, str) else None
        if spec is None:
            continue
        connection = tree["connections"][source]
        if "since" in keys and "poll" not in keys:
            findings.add((*path, "since"), "does nothing here: only `poll` looks back; remove `since`")
        if "poll" in keys and spec.polls_with is None:
            message = f"does nothing here: a connection of kind {spec.kind!r} cannot be polled; remove `poll`"
            findings.add((*path, "poll"), message)
        elif "poll" in keys and not connection.get(spec.polls_with):
            findings.add((*path, "poll"), f"needs `{spec.polls_with}` at the connection {source!r}")
        elif "poll" not in keys and connection.get("verify") == "refetch":
            message = f"the hooks of {source!r} are only hints to fetch answers: give the survey `poll: 5m`"
            findings.add((*path, "from"), message)


def likeness(tree: Any, findings: Findings) -> None:
    """How certain likeness has to be says nothing where it is not looked at."""
    for path, keys in matches(tree, ("match", "fuzzy")):
        if isinstance(keys, Mapping) and keys.get("do") == "no":
            for key in sorted({"score", "margin"} & keys.keys()):
                findings.add((*path, key), f"does nothing here: `do: no` looks at no likeness; remove `{key}`")


def tickets(tree: Any, findings: Findings) -> None:
    """A playbook has one ticket step at most: a recovery is worked on one ticket."""
    for path, steps in matches(tree, ("playbooks", "*", "steps")):
        for step in list(_ticket_steps(path, steps))[1:]:
            findings.add(step, "a recovery is worked on one ticket: remove this step, or make it a playbook of its own")


def _ticket_steps(path: Path_, steps: object) -> Iterator[Path_]:
    for number, step in enumerate(steps if isinstance(steps, list) else ()):
        if isinstance(step, Mapping) and "ticket" in step:
            yield (*path, number, "ticket")
