"""What would do nothing is refused on its line: keys nobody reads, names nothing fills, constants that never occur."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from connector.adapters import registry
from connector.adapters.registry import kinds
from connector.clock import VirtualClock
from connector.config import load
from connector.config.connections import CEILINGS, DEFAULT_CEILINGS
from connector.config.schema import json_schema
from connector.domain.matching.fuzzy import Do, Fuzzy
from connector.errors import ConfigError, Problem
from connector.sync.settings import StormPolicy
from connector.transport.grants import MemoryTokens
from connector.transport.kit import Kit
from connector.wiring.settings import decide_settings
from tests.unit.deciding import ACCOUNTS, ENVIRON, example, example_settings
from tests.unit.samples import NOON

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "mappings", tmp_path / "mappings")
    shutil.copy(ROOT / "config.example.yaml", tmp_path / "config.yaml")
    return tmp_path


def problems(folder: Path) -> list[Problem]:
    try:
        load(folder / "config.yaml", kinds(), ENVIRON)
    except ConfigError as error:
        return list(error.problems)
    return []


def edit(path: Path, old: str, new: str) -> int:
    """Replace `old` in a file; the line (from 1) on which `new` ends."""
    text = path.read_text(encoding="utf-8")
    assert old in text, old
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return (text[: text.index(old)] + new).count("\n") + 1


def one(folder: Path, line: int, *words: str) -> Problem:
    """The only problem there is: it stands on `line` and says `words`."""
    (problem,) = problems(folder)
    assert problem.line == line, problem
    for word in words:
        assert word in problem.message, problem
    return problem


@pytest.mark.parametrize(
    ("old", "added", "words"),
    [
        ("kind: typeform", "linger: 10s", ("'typeform' writes nothing", "remove `linger`")),
        ("kind: typeform", "quota: {share: 50%}", ("writes nothing", "remove `quota`")),
        ("kind: webhook", "ceiling: {new_tickets: 5/h}", ("writes nothing", "remove `ceiling`")),
        ("kind: webhook", "mapping: mappings/crm/salesforce.yaml", ("writes nothing", "remove `mapping`")),
        ("kind: slack", "quota: {share: 50%}", ("says nothing of a quota", "remove `quota`")),
        ("kind: slack", "mapping: mappings/crm/salesforce.yaml", ("writes no mapped fields", "remove `mapping`")),
        ("kind: salesforce", "ceiling: {new_tickets: 5/h}", ("it takes new_tasks, new_contacts",)),
        ("kind: slack", "ceiling: {new_contacts: 5/h}", ("it takes new_alerts",)),
    ],
)
def test_a_key_a_connection_has_no_use_for_is_refused(folder: Path, old: str, added: str, words: tuple[str]) -> None:
    line = edit(folder / "config.yaml", old, f"{old}\n    {added}")
    one(folder, line, "does nothing here", *words)


@pytest.mark.parametrize(
    "added", ["linger: 10s", "ceiling: {new_alerts: 5/h}"], ids=["alerts linger", "alerts have a ceiling"]
)
def test_a_key_a_connection_reads_is_taken(folder: Path, added: str) -> None:
    edit(folder / "config.yaml", "kind: slack", f"kind: slack\n    {added}")
    assert problems(folder) == []


FUZZY = "fuzzy: {do: suggest, score: 92, margin: 10}"


@pytest.mark.parametrize("key", ["score: 95", "margin: 5"])
def test_how_certain_likeness_must_be_says_nothing_where_it_is_not_looked_at(folder: Path, key: str) -> None:
    line = edit(folder / "config.yaml", FUZZY, f"fuzzy: {{do: no, {key}}}")
    one(folder, line, "does nothing here", f"remove `{key.partition(':')[0]}`")


@pytest.mark.parametrize("written", ["do: no", "do: link, score: 95, margin: 5", "margin: 5"])
def test_likeness_is_configured(folder: Path, written: str) -> None:
    edit(folder / "config.yaml", FUZZY, f"fuzzy: {{{written}}}")
    assert problems(folder) == []


def test_likeness_takes_effect_as_configured(folder: Path) -> None:
    edit(folder / "config.yaml", FUZZY, "fuzzy: {do: link, score: 95, margin: 5}")
    settings = decide_settings(load(folder / "config.yaml", kinds(), ENVIRON), ACCOUNTS)
    assert settings.fuzzy == Fuzzy(do=Do.LINK, score=95, margin=5)
    assert example_settings().fuzzy == Fuzzy()


@pytest.mark.parametrize(
    ("component", "added"),
    [
        ("csat", "window: 90d"),
        ("csat", "measure: count"),
        ("csat", "best: 1"),
        ("csat", "worst: 1"),
        ("csat", "field: Rating__c"),
        ("sentiment", "window: 90d"),
        ("sentiment", "metric: csat"),
        ("tickets", "half_life: 90d"),
        ("tickets", "metric: csat"),
        ("tickets", "field: status"),
        ("purchases", "half_life: 90d"),
        ("purchases", "window: 90d"),
    ],
)
def test_a_key_a_component_has_no_use_for_is_refused(folder: Path, component: str, added: str) -> None:
    line = edit(folder / "config.yaml", f"    {component}: {{weight", f"    {component}: {{{added}, weight")
    one(folder, line, "does nothing here", f"remove `{added.partition(':')[0]}`")


def test_a_component_of_a_crm_says_which_field(folder: Path) -> None:
    line = edit(folder / "config.yaml", "field: Last_Service__c, ", "")
    one(folder, line, "'field' is missing")


@pytest.mark.parametrize(
    ("old", "new", "name"),
    [
        ("when: unhappy\n", "when: unhappy and ticket.id is defined\n", "ticket.id"),
        ("when: unhappy\n", "when: unhappy and step.name == 'x'\n", "step.name"),
        ("{{ ticket.url }}", "{{ step.due_text }}", "step.due_text"),
        ("group: Service Recovery", 'group: "{{ ticket.id }}"', "ticket.id"),
    ],
)
def test_a_name_nothing_fills_there_is_refused(folder: Path, old: str, new: str, name: str) -> None:
    line = edit(folder / "config.yaml", old, new) - new.count("\n")
    one(folder, line, f"{name!r} never has a value here")


@pytest.mark.parametrize("name", ["task.id", "task.url"])
def test_there_is_no_task_to_speak_of(folder: Path, name: str) -> None:
    line = edit(folder / "config.yaml", "{{ ticket.url }}", f"{{{{ {name} }}}}")
    one(folder, line, f"there is no {name!r}")


@pytest.mark.parametrize(
    ("file", "old", "new", "name"),
    [
        ("helpdesk/zendesk.yaml", "Said: {{ comment", "Said: {{ ticket.url }} {{ comment", "ticket.url"),
        ("helpdesk/zendesk.yaml", "Survey answer about", "{{ step.due_text }} about", "step.due_text"),
        ("crm/salesforce.yaml", "{value: score.points", "{value: rating", "rating"),
        ("crm/salesforce.yaml", "Description: {value: comment}", "Description: {value: ticket.url}", "ticket.url"),
        ("crm/salesforce.yaml", "{value: respondent.first_name}", "{value: step.name}", "step.name"),
    ],
)
def test_a_section_speaks_of_what_it_has(folder: Path, file: str, old: str, new: str, name: str) -> None:
    line = edit(folder / "mappings" / file, old, new)
    problem = one(folder, line, f"{name!r} never has a value here")
    assert problem.file.endswith(file)


@pytest.mark.parametrize(
    ("when", "suggestion"),
    [
        ('"safty" in themes', "safety"),
        ('"safty" not in themes', "safety"),
        ('sentiment == "negativ"', "negative"),
        ('sentiment != "negativ"', "negative"),
        ('"negativ" == sentiment', "negative"),
        ('sentiment in ["negativ", "neutral"]', "negative"),
        ('"negative" == sentiment == "negativ"', "negative"),
        ('metric == "cast"', "csat"),
        ('survey == "servcie"', "service"),
        ('score.band == "at risk"', "at_risk"),
        ('match.state == "hled"', "held"),
        ('recovery.severity == "critcal"', "critical"),
        ('recovery.playbook == "service_recovery"', "service-recovery"),
        ('scale.best == "hihg"', "high"),
        ("metric == 3", None),
        ('themes == "safety"', None),
    ],
)
def test_a_constant_that_never_occurs_is_named_on_the_rules_line(
    folder: Path, when: str, suggestion: str | None
) -> None:
    line = edit(folder / "config.yaml", "when: unhappy\n", f"when: 'unhappy and ({when})'\n") - 1
    assert one(folder, line).suggestion == suggestion


@pytest.mark.parametrize(
    "when",
    [
        '"safety" in themes and "waiting" not in themes',
        'sentiment == "negative" or sentiment in ("neutral", "positive")',
        'metric == "nps" and survey != "kiosk" and score.band == "at_risk"',
        'match.state == "anonymous" or match.state == "held"',
        'segments.tier == "anything" or interaction.service == "brakes" or language == "pt"',
        '"neg" in sentiment or themes | length > 1 or comment == "bad"',
    ],
)
def test_constants_that_may_occur_are_taken(folder: Path, when: str) -> None:
    edit(folder / "config.yaml", "when: unhappy\n", f"when: 'unhappy and ({when})'\n")
    assert problems(folder) == []


def test_without_themes_no_word_is_one(folder: Path) -> None:
    edit(folder / "config.yaml", "  themes: mappings/themes.yaml\n", "")
    line = edit(folder / "config.yaml", "when: unhappy\n", "when: unhappy and 'safety' in themes\n") - 1
    one(folder, line, "'safety' is never in 'themes'")


def test_constants_in_texts_and_mappings_are_looked_at_on_their_line(folder: Path) -> None:
    channel = "{% if sentiment == 'negativ' %}#angry{% else %}#csat{% endif %}"
    line = edit(folder / "config.yaml", '"#csat-safety"', f'"{channel}"')
    one(folder, line, "'sentiment' is never 'negativ'")
    edit(folder / "config.yaml", "negativ'", "negative'")
    desk = folder / "mappings" / "helpdesk" / "zendesk.yaml"
    line = edit(desk, 'scale.best == "low"', 'scale.best == "lowest"')
    one(folder, line, "'scale.best' is never 'lowest'")


def test_a_broken_themes_file_is_one_mistake(folder: Path) -> None:
    edit(folder / "config.yaml", "when: unhappy\n", "when: unhappy and 'safety' in themes\n")
    edit(folder / "mappings" / "themes.yaml", "critical: true", "critical: perhaps")
    (problem,) = problems(folder)
    assert problem.file.endswith("themes.yaml")


def test_a_playbook_has_one_ticket_at_most(folder: Path) -> None:
    step = "      - ticket: {connection: zendesk, due: 1h}\n"
    task = "      - task: {name: call the customer, connection: salesforce, due: 48h, hours: all}\n"
    line = edit(folder / "config.yaml", task, task + step) - 1
    one(folder, line, "a recovery is worked on one ticket")


def test_a_playbook_may_have_several_tasks(folder: Path) -> None:
    task = "      - task: {name: call the customer, connection: salesforce, due: 48h, hours: all}\n"
    another = "      - task: {connection: salesforce, due: 3d}\n"
    edit(folder / "config.yaml", task, task + another * 2)
    assert problems(folder) == []


@pytest.mark.parametrize(
    ("old", "new", "said", "suggestion"),
    [
        ("calendar: desk  ", "calendar: dekc  ", "there is no calendar 'dekc'", "desk"),
        ('sat: "09:00-13:00"', 'sta: "09:00-13:00"', "there is no day 'sta', did you mean sat?", None),
        ('sat: "09:00-13:00"', 'sat: "9-13"', "expected a span of hours such as 08:00-18:00", None),
        ('sat: "09:00-13:00"', 'sat: "22:00-06:00"', "a span ends on its day", None),
        ('sat: "09:00-13:00"', 'fri: "09:00-13:00"', "fri is there twice", None),
        ("holidays: DE}", "holidays: XY}", "the public holidays of 'XY' are not known", None),
        ("until: {assigned: true}", "until: {}", "what shows that it was done", None),
        ("after: 30m\n", "after: 30\n", "expected a duration", None),
        ("            - after: 30m\n              severity: high\n", "            - after: 30m\n", "", None),
    ],
)
def test_a_slip_in_a_calendar_or_a_ladder_is_said_where_it_is(
    folder: Path, old: str, new: str, said: str, suggestion: str | None
) -> None:
    edit(folder / "config.yaml", old, new)
    found = problems(folder)
    if not said:
        assert found == []
        return
    [problem] = found
    assert said in problem.message
    assert problem.suggestion == suggestion


def test_a_step_after_one_that_does_not_come_before_it_is_refused(folder: Path) -> None:
    step = "      - notify: {connection: slack, channel: '#csat-ops', text: hello, after: supervisor reviw}\n"
    task = "      - task: {name: call the customer, connection: salesforce, due: 48h, hours: all}\n"
    edit(folder / "config.yaml", task, task + step)
    [problem] = problems(folder)
    assert "no step before it is called 'supervisor reviw'" in problem.message


@dataclass(frozen=True, kw_only=True)
class Endpoints(Kit):
    """Notes of every endpoint whether what its replies say about quotas is read."""

    read: list[bool] = field(default_factory=list)

    def api(self, *arguments: Any, **named: Any) -> Any:
        on_reply = named.get("on_reply") or (arguments[5] if len(arguments) > 5 else None)
        self.read.append(on_reply is not None)
        return super().api(*arguments, **named)


def test_a_kind_says_that_it_reads_quotas_when_it_does() -> None:
    clock = VirtualClock(NOON)
    for name, connection in example().config.connections.items():
        kit = Endpoints(clock=clock, token_store=MemoryTokens(clock))
        registry.build(connection.kind, name, connection.options, kit)
        assert any(kit.read) == kinds()[connection.kind].reads_quota, connection.kind


def test_the_schema_offers_a_connection_only_what_it_reads() -> None:
    definitions = json_schema(kinds())["$defs"]
    shared = {"mapping", "linger", "quota", "ceiling"}
    assert not shared & set(definitions["connection_typeform"]["properties"])
    assert shared & set(definitions["connection_slack"]["properties"]) == {"linger", "ceiling"}
    assert shared <= set(definitions["connection_zendesk"]["properties"])


def test_every_ceiling_has_a_default() -> None:
    assert DEFAULT_CEILINGS.keys() == CEILINGS.keys()


def test_when_to_hold_what_is_never_held_is_refused(folder: Path) -> None:
    line = edit(folder / "config.yaml", "storm: {unhappy_share: 70%, answers: 50}", "storm: {hold: false, answers: 50}")
    one(folder, line, "does nothing here", "hold: false")


def test_a_storm_is_looked_for_unless_it_is_switched_off(folder: Path) -> None:
    config = folder / "config.yaml"
    loaded = load(config, kinds(), ENVIRON)
    assert decide_settings(loaded, ACCOUNTS).storm == StormPolicy(unhappy_share=0.7, answers=50)
    edit(config, "storm: {unhappy_share: 70%, answers: 50}", "storm: {hold: false}")
    assert problems(folder) == []
    assert decide_settings(load(config, kinds(), ENVIRON), ACCOUNTS).storm is None
