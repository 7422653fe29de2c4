"""What a file says about names elsewhere: connections and their roles, playbooks, segments, expressions, forms.

The checks read the plain tree, so that one mistake does not hide the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from connector.config import reporting
from connector.config.connections import Connection
from connector.config.document import Path_
from connector.config.findings import Findings, keys_of, matches
from connector.config.model import Threshold
from connector.domain.expressions import compile_expression, compile_template
from connector.domain.model.context import Names
from connector.domain.model.nearest import nearest
from connector.errors import ExpressionError

# Where a connection is named, and the roles of which it needs one.
CONNECTIONS: Final[Sequence[tuple[Sequence[str], frozenset[str]]]] = (
    (("operators", "notify", "connection"), frozenset({"notifier"})),
    (("surveys", "*", "from"), frozenset({"source"})),
    (("health_score", "components", "*", "from"), frozenset({"crm", "helpdesk"})),
    (("health_score", "write", "to", "*"), frozenset({"crm"})),
    (("interactions", "from", "*"), frozenset({"interactions"})),
    (("answers", "write_to", "*"), frozenset({"crm", "helpdesk"})),
    (("rules", "*", "do", "*", "notify", "connection"), frozenset({"notifier"})),
    (("rules", "*", "do", "*", "start", "workflow"), frozenset({"workflow"})),
    (("playbooks", "*", "steps", "*", "ticket", "connection"), frozenset({"helpdesk"})),
    (("playbooks", "*", "steps", "*", "task", "connection"), frozenset({"crm"})),
    (("playbooks", "*", "steps", "*", "notify", "connection"), frozenset({"notifier"})),
    (("playbooks", "*", "steps", "*", "expect", "late", "*", "notify", "connection"), frozenset({"notifier"})),
    (("playbooks", "*", "steps", "*", "task", "late", "*", "notify", "connection"), frozenset({"notifier"})),
    (("playbooks", "*", "close", "ask", "connection"), frozenset({"notifier"})),
    (("playbooks", "*", "steps", "*", "message", "connection"), frozenset({"messenger"})),
    (("playbooks", "*", "follow_up", "connection"), frozenset({"messenger"})),
    *((pattern, frozenset({"notifier"})) for pattern in reporting.CONNECTIONS),
)
EXPRESSIONS: Final = (("rules", "*", "when"), ("playbooks", "*", "steps", "*", "message", "when"))
# In a rule's action, with the names that have a value there.
VALUES: Final = (("rules", "*", "do", "*", "start", "data", "*"),)
TIMED: Final = ("expect", "task")  # steps with a ladder
TEXTS: Final = ("channel", "text")
# By the place that decides which names have a value there.
TEMPLATES: Final[Mapping[str, Sequence[Sequence[str]]]] = {
    "notify": (
        ("rules", "*", "do", "*", "notify", "channel"),
        ("rules", "*", "do", "*", "notify", "text"),
    ),
    "ticket": (
        ("playbooks", "*", "steps", "*", "ticket", "group"),
        ("playbooks", "*", "steps", "*", "ticket", "status"),
    ),
    "task": (("playbooks", "*", "steps", "*", "task", "owner"),),
    "late": (
        *(("playbooks", "*", "steps", "*", kind, "late", "*", "notify", text) for kind in TIMED for text in TEXTS),
        *(("playbooks", "*", "steps", "*", kind, "late", "*", "owner") for kind in TIMED),
        *(("playbooks", "*", "steps", "*", "notify", text) for text in TEXTS),
        *(("playbooks", "*", "close", "ask", text) for text in TEXTS),
        ("playbooks", "*", "steps", "*", "expect", "who"),
    ),
    "begin": (
        ("playbooks", "*", "calendar"),
        ("playbooks", "*", "owner", "by"),
    ),
    "message": (
        ("playbooks", "*", "steps", "*", "message", "subject"),
        ("playbooks", "*", "steps", "*", "message", "text"),
    ),
    "follow_up": (
        ("playbooks", "*", "follow_up", "survey"),
        ("playbooks", "*", "follow_up", "subject"),
        ("playbooks", "*", "follow_up", "text"),
    ),
}
OURS: Final = frozenset({"answers", "sentiment"})  # components that come from responses, not from a connection
VISITS: Final = "interactions"  # a component from the records of all shops


def connections(tree: Any, roles: Mapping[str, frozenset[str] | None], findings: Findings) -> None:
    """Every connection named exists and can do what it is named for. Roles None: of unknown kind, believed."""
    for pattern, needed in CONNECTIONS:
        for path, name in matches(tree, pattern):
            if not isinstance(name, str) or (pattern[:2] == ("health_score", "components") and name in {*OURS, VISITS}):
                continue
            if name not in roles:
                fitting = [known for known, can in roles.items() if can is None or can & needed]
                known = [*fitting, *((*OURS, VISITS) if "components" in pattern else ())]
                suggestion = nearest(name, known) or nearest(name, roles) or (fitting[0] if len(fitting) == 1 else None)
                findings.add(path, f"there is no connection {name!r}", suggestion)
                continue
            can = roles[name]
            if can is not None and not can & needed:
                findings.add(path, f"the connection {name!r} is no {' or '.join(sorted(needed))}")


def accounts(made: Mapping[str, Connection], findings: Findings) -> None:
    """No two connections lead to one account: keys, quotas and lanes belong to the account, not to its names."""
    seen: dict[str, str] = {}
    for name, connection in made.items():
        account = getattr(connection.options, "account", None)
        if isinstance(account, str) and seen.setdefault(account, name) != name:
            findings.add(
                ("connections", name),
                f"leads to the same account ({account}) as the connection {seen[account]!r}; use that one",
            )


def playbooks(tree: Any, findings: Findings) -> None:
    """Every playbook a rule opens exists."""
    known = tree.get("playbooks")
    names = list(known) if isinstance(known, Mapping) else []
    for path, name in matches(tree, ("rules", "*", "do", "*", "open_recovery")):
        if isinstance(name, str) and name not in names:
            suggestion = nearest(name, names) or (names[0] if len(names) == 1 else None)
            findings.add(path, f"there is no playbook {name!r}", suggestion)


def calendars(tree: Any, findings: Findings) -> None:
    """Every calendar a playbook names by its name exists; one it finds by a template is known only then."""
    known = tree.get("calendars")
    names = list(known) if isinstance(known, Mapping) else []
    for path, name in matches(tree, ("playbooks", "*", "calendar")):
        if isinstance(name, str) and "{{" not in name and name not in names:
            suggestion = nearest(name, names) or (names[0] if len(names) == 1 else None)
            findings.add(path, f"there is no calendar {name!r}", suggestion)


def rules_on(tree: Any, event: str) -> Any:
    """The tree with those rules alone that are `on` this; the others leave their places empty."""
    written = tree.get("rules")
    if not isinstance(written, list):
        return tree
    kept = [one if not isinstance(one, Mapping) or one.get("on", "answer") == event else None for one in written]
    return {**tree, "rules": kept}


def score_rules(tree: Any, findings: Findings) -> None:
    """A rule `on: score` needs a score, and has no answer to open a recovery for."""
    scored = rules_on(tree, "score")
    for path, _ in matches(scored, ("rules", "*", "on")):
        if "health_score" not in tree:
            findings.add(path, "nobody is scored: there is no `health_score`")
    for path, _ in matches(scored, ("rules", "*", "do", "*", "open_recovery")):
        findings.add(path, "a rule `on: score` has no answer to open a recovery for: it can `notify` and `start`")


def companies(tree: Any, roles: Mapping[str, frozenset[str] | None], findings: Findings) -> None:
    """Companies are read from contacts of CRMs."""
    crms = [name for name, can in roles.items() if can is None or "crm" in can]
    for path, _ in matches(tree, ("health_score", "companies", "*")):
        if path[-1] not in crms:
            findings.unknown(path, "CRM", crms)


def thresholds(tree: Any, segments: Sequence[str], findings: Findings) -> None:
    """Keys of a threshold beyond its own are configured segments, and hold a text."""
    own = keys_of(Threshold)
    for path, threshold in matches(tree, ("thresholds", "*")):
        extra = [key for key in threshold if key not in own] if isinstance(threshold, Mapping) else []
        for key in extra:
            if key not in segments:
                findings.unknown((*path, key), "key or segment", [*own, *segments])
            elif not isinstance(threshold[key], str):
                findings.add((*path, key), "expected a text; put it in quotes")


def forms(tree: Any, findings: Findings) -> None:
    """No two surveys read the same form, and no two rules share a name."""
    seen: dict[tuple[str, str], str] = {}
    for path, form in matches(tree, ("surveys", "*", "forms", "*")):
        survey = str(path[1])
        key = (str(tree["surveys"][survey].get("from")), str(form))
        if seen.setdefault(key, survey) != survey:
            findings.add(path, f"the form is read by the survey {seen[key]!r} already")
    names: set[object] = set()
    for path, name in matches(tree, ("rules", "*", "name")):
        if isinstance(name, str) and name in names:
            findings.add(path, f"another rule is called {name!r}, too")
        names.add(name if isinstance(name, str) else None)


def expressions(
    tree: Any, patterns: Iterable[Sequence[str]], names: Names, findings: Findings, *, templates: bool = False
) -> None:
    """Every expression (or template) at `patterns` can be read and uses declared names only."""
    check = compile_template if templates else compile_expression
    for pattern in patterns:
        for path, text in matches(tree, pattern):
            if isinstance(text, str) and text.strip():
                _expression(check, path, text, names, findings)


def _expression(check: Any, path: Path_, text: str, names: Names, findings: Findings) -> None:
    try:
        check(text, names)
    except ExpressionError as error:
        findings.add(path, error.message, error.suggestion, line=error.line)
