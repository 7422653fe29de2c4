"""Every place in the code that commits or calls a vendor, found by reading the code, so that none is forgotten."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from types import FrameType

PACKAGE = Path(__file__).parents[2] / "connector"
ROOMS = ("adapters", "cli", "engines", "store", "sync", "transport", "web", "wiring")
"""Simulators and the shipped test parts are not the connector."""

OUTSIDE = "outside"
"""What an operator's command does by a transaction of its own, and the stand-in for the daemon's start."""
_OUTSIDE = str(Path(__file__).parents[1])
_PROBE = str(Path(__file__).with_name("points.py"))
_ENGINE_ROOM = {
    "Database.write",
    "Database._transaction",
    "Database._begun",
    "Database._reach",
    "Database._begin_at_server",
    "advised",
}

_ONE = "one transaction of a command: whoever typed it sees that it failed, and types it again"
_STAND_IN = "the threads are the daemon's; `tests/chaos/process.py` commits the same in its place"
_COPY = "on a copy that is thrown away"
_TRACKED = "only with `defects`: writes as any lane's, see tests/durability; reads are repeated"
_LIST = "only with a `directory` that a database keeps: a list is read again when it is due"
_SETUP = "preparing an account: it looks first and makes what is missing, as often as it is typed"

WAIVED: Mapping[str, str] = {
    "cli/keys.py:_slice": "as `outside:resealed`",
    "cli/keys.py:reseal": "as `outside:resealed`",
    "cli/match.py:ignore": _ONE,
    "cli/match.py:link": _ONE,
    "cli/outbox.py:_each": _ONE,
    "cli/pause.py:pause": "as `outside:_in_one`",
    "cli/pause.py:resume": "as `outside:_in_one`",
    "cli/person.py:_begin": "as `outside:_erase`",
    "cli/person.py:opt_in": _ONE,
    "cli/person.py:opt_out": _ONE,
    "cli/recovery.py:close": _ONE,
    "cli/recovery.py:done": _ONE,
    "cli/replay.py:_read_again": _ONE,
    "cli/replay.py:replay": "as `outside:_in_one`",
    "cli/undo.py:undo": "as `outside:_in_one`",
    "engines/announcer.py:Announcer._bury": "only with Celery: a lane row less or more to free at the next look",
    "engines/announcer.py:Announcer.start": "only with Celery: wake-ups, said again by every start",
    "engines/embedded.py:Embedded.start": _STAND_IN,
    "wiring/daemon.py:Daemon.start": _STAND_IN,
    "wiring/works.py:Works.start": _STAND_IN,
    "store/backup.py:put_back_otherwise": _ONE,
    "store/copying.py:_copy_rows": _COPY,
    "store/database.py:Database._stay_itself": "only at a PostgreSQL; see tests/unit/test_store_server.py",
    "wiring/preview.py:_drain#1": _COPY,
    "wiring/preview.py:_drain#2": _COPY,
    "wiring/preview.py:_play": _COPY,
    "wiring/preview.py:_run": _COPY,
    "wiring/playbook_tests.py:_pass": _COPY,
    "wiring/playbook_tests.py:playbook_differs": _COPY,
    "wiring/rule_tests.py:_played": _COPY,
    "wiring/rule_tests.py:_run": _COPY,
    "adapters/github.py:GitHub._get": _TRACKED,
    "adapters/github.py:GitHub.send": _TRACKED,
    "adapters/jira.py:Jira._get": _TRACKED,
    "adapters/jira.py:Jira._labelled": _TRACKED,
    "adapters/jira.py:Jira.send": _TRACKED,
    "sync/issues.py:IssuesPoll.drain#1": _TRACKED,
    "sync/issues.py:IssuesPoll.drain#2": _TRACKED,
    "sync/conversations.py:ConversationsPoll.drain#1": _TRACKED,
    "sync/conversations.py:ConversationsPoll.drain#2": _TRACKED,
    "sync/directory.py:DirectoryLane._read": _LIST,
    "sync/directory.py:DirectoryLane._trouble": _LIST,
    "sync/directory.py:DirectoryLane.drain": _LIST,
    "sync/note_reading.py:read_notes": "only where a step waits for a note: a call counted that may not have been made",
    "sync/figures.py:FiguresLane._notice": "only with `trends`: what is told and how far that is, in one transaction",
    "sync/figures.py:FiguresLane._send": "only with `report.mail`: the same; keys make a repeat the same messages",
    "sync/asking.py:_give_up": "no shipped adapter leaves a kind of write without a question; see tests/durability",
    "sync/write.py:WriteLane._answered#1": "only under a lease too short for a call: in doubt, as without it",
    "sync/likeness.py:catch_up#1": "only where the YAML says that nobody is found by likeness; done again at each turn",
    "wiring/accounts.py:Accounts._settle": "`check --live` counts its calls; the next reply corrects a lost count",
    "wiring/daemon.py:Daemon.refuse": "a message about a file that is wrong; the log says it, too",
    "wiring/readiness.py:Readiness._tell": "a message about an account that is not ready; every start asks again",
    "adapters/hubspot/setup.py:make": _SETUP,
    "adapters/salesforce/setup.py:Preparation._made": _SETUP,
    "adapters/salesforce/setup.py:Preparation._permission_set": _SETUP,
    "adapters/salesforce/setup.py:Preparation._post": _SETUP,
    "adapters/typeform/forms.py:FormsApi._get": _SETUP,
    "adapters/typeform/forms.py:FormsApi.install": _SETUP,
    "adapters/zendesk/setup.py:Preparation._get": _SETUP,
    "adapters/zendesk/setup.py:Preparation._post": _SETUP,
    "adapters/zendesk/setup.py:Preparation.install": _SETUP,
    "adapters/zendesk/erasing.py:_redact": "no note is on a stranger's ticket here; a repeat redacts what it finds",
    "adapters/slack.py:Slack.inspect": "`check --live` reads",
}
"""Places the reference program does not come to, and why nothing is lost by that."""

Blocks = dict[tuple[str, int], str]


@cache
def commits() -> Blocks:
    """Every `with` block that ends in a commit, by file and line; of several in one function each has its number."""
    return _named(_committing)


@cache
def calls() -> Blocks:
    """Every call of the HTTP client by an adapter, by file and line."""
    found = _named(_calling)
    return {(place, line): name.partition("#")[0] for (place, line), name in found.items()}


def _named(chosen: Callable[[str, ast.AST], Iterator[tuple[str, int]]]) -> Blocks:
    found: Blocks = {}
    for room in ROOMS:
        for path in sorted((PACKAGE / room).rglob("*.py")):
            place = str(path.relative_to(PACKAGE))
            lines: dict[str, list[int]] = defaultdict(list)
            for name, line in chosen(place, ast.parse(path.read_text())):
                if line not in lines[name]:
                    lines[name].append(line)
            for name in _ENGINE_ROOM & lines.keys() if place == "store/database.py" else ():
                del lines[name]
            for name, several in lines.items():
                for number, line in enumerate(sorted(several), start=1):
                    found[place, line] = f"{place}:{name}" + (f"#{number}" if len(several) > 1 else "")
    return found


def _functions(tree: ast.AST, prefix: str = "") -> Iterator[tuple[str, ast.AST]]:
    """Every statement's innermost function, as `Class.method`, with the statement."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _functions(node, f"{prefix}{node.name}.")
        else:
            yield prefix.rstrip("."), node
            yield from _functions(node, prefix)


def _committing(place: str, tree: ast.AST) -> Iterator[tuple[str, int]]:
    for name, node in _functions(tree):
        if not isinstance(node, ast.With):
            continue
        for item in node.items:
            call = item.context_expr
            if not isinstance(call, ast.Call):
                continue
            words = ast.unparse(call.func)
            if words.endswith(("db.write", "made.write", "copy.write", "self.write", ".ours")) or (
                words == "ours"
                or (words.endswith(").write") and not call.args)
                or (words in {"self._transaction", "self._begun"} and "self._writer" in ast.unparse(call))
            ):
                yield name, node.lineno


def _calling(place: str, tree: ast.AST) -> Iterator[tuple[str, int]]:
    if not place.startswith("adapters/"):
        return
    for name, node in _functions(tree):
        if not isinstance(node, ast.Call) or not ast.unparse(node.func).endswith(".call"):
            continue
        if any(word.arg == "write" for word in node.keywords):
            yield name, node.lineno


def committing(frame: FrameType | None) -> str:
    """The block that is about to commit, from the stack."""
    while frame is not None:
        place = _place(frame)
        if place is not None and frame.f_code.co_qualname not in _ENGINE_ROOM:
            return commits().get((place, frame.f_lineno), f"{place}:{_name(frame)}")
        if frame.f_code.co_filename.startswith(_OUTSIDE) and frame.f_code.co_filename != _PROBE:
            return f"{OUTSIDE}:{_name(frame)}"
        frame = frame.f_back
    return OUTSIDE


def calling(frame: FrameType | None) -> str:
    """The function outside of the HTTP client that makes a call, from the stack."""
    while frame is not None:
        place = _place(frame)
        if place is not None and not place.startswith("transport/"):
            return f"{place}:{_name(frame)}"
        frame = frame.f_back
    return OUTSIDE


def _place(frame: FrameType) -> str | None:
    file = frame.f_code.co_filename
    return file[len(str(PACKAGE)) + 1 :] if file.startswith(f"{PACKAGE}/") else None


def _name(frame: FrameType) -> str:
    return frame.f_code.co_qualname.replace(".<locals>", "").replace(".<lambda>", "")
