"""Every key of the example is misspelt, deleted, retyped and dangled; the mistake is found on its line.

A name somebody chose (a connection, a survey, a playbook, a band) is not a key: renaming it leaves its references
dangling, and those are what is reported, each with the new name as the suggestion.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from connector.adapters.registry import kinds
from connector.config.loading import load
from connector.errors import ConfigError, Problem

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "config.example.yaml"
ENVIRON = {
    "TYPEFORM_SECRET": "typeform-signs",
    "INHOUSE_SECRET": "inhouse-signs",
    "SALESFORCE_CLIENT_ID": "sim-salesforce",
    "SALESFORCE_CLIENT_SECRET": "sim-salesforce-secret",
    "ZENDESK_CLIENT_ID": "sim-zendesk",
    "ZENDESK_CLIENT_SECRET": "sim-zendesk-secret",
    "ZENDESK_WEBHOOK_SECRET": "sim-zendesk-hook",
    "SLACK_TOKEN": "xoxb-simulator",
    "CONNECTOR_KEY": "k" * 44,
}
# Groups whose keys are names somebody chose.
CHOSEN = {
    ("connections",),
    ("surveys",),
    ("playbooks",),
    ("health_score", "components"),
    ("health_score", "bands"),
}
# Names that something else refers to, by what refers to them.
REFERRED = {"connections", "playbooks"}
NAMES_A_CONNECTION = {"from", "connection", "to", "write_to"}
REFERENCES_A_FILE = {"mapping", "themes"}

Place = tuple[str | int, ...]

pytestmark = pytest.mark.slow


@dataclass(frozen=True, slots=True)
class Mutation:
    """One slip of the hand: the file as it then is, where the mistake stands, and what was meant."""

    name: str
    lines: tuple[str, ...]
    expected_lines: frozenset[int]
    suggestion: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One key of the example and where it and its value stand, from 0."""

    place: Place
    key: yaml.ScalarNode
    value: yaml.Node
    parent_line: int


def _entries(node: yaml.Node, place: Place, parent_line: int) -> Iterator[Entry]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            here = (*place, str(key.value))
            yield Entry(here, key, value, parent_line)
            yield from _entries(value, here, key.start_mark.line)
    if isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            yield from _entries(item, (*place, number), item.start_mark.line)


def _misspelt(word: str) -> str:
    """Two letters swapped: the slip people make most; doubled where the word is too short or stays the same."""
    middle = len(word) // 2
    swapped = word[: middle - 1] + word[middle] + word[middle - 1] + word[middle + 1 :]
    return swapped if len(word) > 3 and swapped != word else word + word[-1]


def _replace(lines: list[str], node: yaml.Node, text: str) -> list[str]:
    """The file with the text of `node` replaced; what a replaced block covered goes with it."""
    start, end = node.start_mark, node.end_mark
    if start.line == end.line:
        line = lines[start.line]
        return [*lines[: start.line], line[: start.column] + text + line[end.column :], *lines[start.line + 1 :]]
    last = end.line if end.column == 0 or not lines[end.line][: end.column].strip() else end.line + 1
    kept = lines[start.line][: start.column] + text
    return [*lines[: start.line], kept, *lines[last:]]


def _without(lines: list[str], entry: Entry) -> list[str]:
    """The file without the entry, whether it stands in braces, on its own lines, or first in a list item."""
    start, end = entry.key.start_mark, entry.value.end_mark
    first = lines[start.line]
    before, after = first[: start.column], lines[end.line][end.column :] if end.line < len(lines) else ""
    if "{" in before:
        after = after.lstrip(", ")
        if not after or after[0] == "}":
            before = before.rstrip(", ")
        return [*lines[: start.line], before + after, *lines[end.line + 1 :]]
    block = isinstance(entry.value, yaml.CollectionNode) and not entry.value.flow_style
    last = end.line if block else end.line + 1
    if before.strip() == "-":
        following = lines[last] if last < len(lines) else ""
        inside = len(following) - len(following.lstrip()) >= start.column
        rest = [before + following.strip(), *lines[last + 1 :]] if inside else [before + "{}", *lines[last:]]
        return [*lines[: start.line], *rest]
    return [*lines[: start.line], *lines[last:]]


def _dangling(entry: Entry, lines: list[str]) -> Iterator[Mutation]:
    """References to things that do not exist."""
    key, place = entry.place[-1], entry.place
    targets = entry.value.value if isinstance(entry.value, yaml.SequenceNode) else [entry.value]
    for target in targets:
        name = ".".join(map(str, place))
        line = frozenset({target.start_mark.line + 1})
        if not isinstance(target, yaml.ScalarNode):
            continue
        value = str(target.value)
        if key in NAMES_A_CONNECTION and value not in {"answers", "sentiment"}:
            yield Mutation(f"dangle {name}={value}", tuple(_replace(lines, target, _misspelt(value))), line, value)
        if key == "open_recovery":
            yield Mutation(f"dangle {name}", tuple(_replace(lines, target, _misspelt(value))), line, value)
        if key in REFERENCES_A_FILE:
            wrong = value.replace(".yaml", "x.yaml")
            yield Mutation(f"dangle {name}", tuple(_replace(lines, target, wrong)), line, value)
        if value.startswith("${"):
            variable = value[2:-1]
            wrong = f'"${{{_misspelt(variable)}}}"'
            yield Mutation(f"dangle {name}", tuple(_replace(lines, target, wrong)), line, variable)
        if key == "kind":
            yield Mutation(f"dangle {name}", tuple(_replace(lines, target, _misspelt(value))), line, value)
        if key == "when":
            wrong = "'" + value.replace("unhappy", "unhapy") + "'"
            yield Mutation(f"dangle {name}", tuple(_replace(lines, target, wrong)), line, "unhappy")
        if key == "text":
            wrong = "'" + value.replace("scale.max", "scale.mx") + "'"
            yield Mutation(f"dangle {name}", tuple(_replace(lines, target, wrong)), line, "scale.max")


def _renamed(entry: Entry, lines: list[str]) -> Mutation | None:
    """A chosen name misspelt where it is defined: its references dangle."""
    name = str(entry.key.value)
    if entry.place[0] not in REFERRED:
        return None
    new = _misspelt(name)
    mutated = _replace(lines, entry.key, new)
    words = (f"from: {name}", f"connection: {name}", f"open_recovery: {name}", f"write_to: [{name}", f"to: [{name}")
    hits = {number + 1 for number, line in enumerate(lines) if any(word in line for word in words)}
    hits |= {number + 1 for number, line in enumerate(lines) if "write_to" in line and name in line}
    return Mutation(f"rename {'.'.join(map(str, entry.place))}", tuple(mutated), frozenset(hits), new) if hits else None


def _mutations() -> Iterator[Mutation]:
    text = EXAMPLE.read_text(encoding="utf-8")
    lines = text.splitlines()
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    assert root is not None
    for entry in _entries(root, (), 0):
        name = ".".join(map(str, entry.place))
        key_line = entry.key.start_mark.line + 1
        parent = frozenset({entry.parent_line + 1})
        if not entry.place[:-1]:
            parent = frozenset({1, root.start_mark.line + 1})
        if entry.place[:-1] in CHOSEN:
            renamed = _renamed(entry, lines)
            if renamed is not None:
                yield renamed
        else:
            key = str(entry.key.value)
            yield Mutation(
                f"misspell {name}", tuple(_replace(lines, entry.key, _misspelt(key))), frozenset({key_line}), key
            )
            yield Mutation(f"delete {name}", tuple(_without(lines, entry)), parent)
        wrong = "12" if isinstance(entry.value, yaml.CollectionNode) else "{surprise: [1]}"
        yield Mutation(f"retype {name}", tuple(_replace(lines, entry.value, wrong)), frozenset({key_line}))
        if isinstance(entry.value, yaml.ScalarNode):
            yield Mutation(f"list {name}", tuple(_replace(lines, entry.value, "[surprise]")), frozenset({key_line}))
        if isinstance(entry.value, yaml.ScalarNode) and entry.value.tag.endswith((":int", ":float")):
            yield Mutation(f"word {name}", tuple(_replace(lines, entry.value, "many")), frozenset({key_line}))
        yield from _dangling(entry, lines)


def _problems(folder: Path, mutation: Mutation, environ: Mapping[str, str]) -> tuple[Problem, ...]:
    path = folder / "config.yaml"
    path.write_text("\n".join(mutation.lines) + "\n", encoding="utf-8")
    try:
        load(path, kinds(), environ)
    except ConfigError as error:
        return error.problems
    return ()


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one mutation."""

    mutation: Mutation
    problems: tuple[Problem, ...]

    @property
    def is_mistake(self) -> bool:
        """Leaving an optional key out is none."""
        return bool(self.problems) or not self.mutation.name.startswith("delete ")

    @property
    def on_its_line(self) -> bool:
        return any(problem.line in self.mutation.expected_lines for problem in self.problems)

    @property
    def well_suggested(self) -> bool:
        return any(problem.suggestion == self.mutation.suggestion for problem in self.problems)

    def __str__(self) -> str:
        found = "; ".join(str(problem) for problem in self.problems) or "nothing reported"
        return f"{self.mutation.name} (line {sorted(self.mutation.expected_lines)}): {found}"


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> list[Result]:
    folder = tmp_path_factory.mktemp("mutations")
    shutil.copytree(ROOT / "mappings", folder / "mappings")
    return [Result(mutation, _problems(folder, mutation, ENVIRON)) for mutation in _mutations()]


def test_mistakes_are_reported_on_the_right_line(results: list[Result]) -> None:
    mistakes = [result for result in results if result.is_mistake]
    missed = [result for result in mistakes if not result.on_its_line]
    assert len(mistakes) > 300
    assert len(missed) <= 0.05 * len(mistakes), "\n".join(map(str, missed))


def test_misspelt_and_dangling_names_come_with_the_right_suggestion(results: list[Result]) -> None:
    named = [result for result in results if result.mutation.suggestion is not None]
    missed = [result for result in named if not result.well_suggested]
    assert len(named) > 100
    assert len(missed) <= 0.05 * len(named), "\n".join(map(str, missed))


def test_needed_keys_are_missed(results: list[Result]) -> None:
    deleted = {result.mutation.name for result in results if result.problems}
    for needed in (
        "delete version",
        "delete store",
        "delete connections",
        "delete connections.typeform.kind",
        "delete connections.slack.token",
        "delete connections.zendesk.mapping",
        "delete surveys.desk.from",
        "delete thresholds.0.scale",
        "delete health_score.components.csat.metric",
        "delete rules.1.when",
        "delete playbooks",
        "delete playbooks.service-recovery.steps.2.task.due",
        "delete privacy.keys",
    ):
        assert needed in deleted


def test_a_misspelt_key_is_one_mistake(results: list[Result]) -> None:
    misspelt = [result for result in results if result.mutation.name.startswith("misspell ")]
    more_than_one = [result for result in misspelt if len(result.problems) != 1]
    assert len(misspelt) > 80
    assert not more_than_one, "\n".join(map(str, more_than_one))


def test_the_example_itself_is_right(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "mappings", tmp_path / "mappings")
    lines = tuple(EXAMPLE.read_text(encoding="utf-8").splitlines())
    assert _problems(tmp_path, Mutation("none", lines, frozenset()), ENVIRON) == ()
