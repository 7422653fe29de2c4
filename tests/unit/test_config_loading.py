"""Loading: references, overrides, places of mistakes in all files, and what can be shown."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from connector.adapters.registry import kinds
from connector.config import Loaded, load, redacted
from connector.config.playbooks import TaskStep, TicketStep
from connector.config.reference import reference
from connector.config.schema import json_schema
from connector.errors import ConfigError, Problem
from tests.unit.test_config_mutations import ENVIRON, EXAMPLE, ROOT


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "mappings", tmp_path / "mappings")
    shutil.copy(EXAMPLE, tmp_path / "config.yaml")
    return tmp_path


def loaded(folder: Path, **environ: str) -> Loaded:
    return load(folder / "config.yaml", kinds(), ENVIRON | environ)


def problems(folder: Path, environ: Mapping[str, str] = ENVIRON) -> tuple[Problem, ...]:
    with pytest.raises(ConfigError) as caught:
        load(folder / "config.yaml", kinds(), environ)
    return caught.value.problems


def edit(path: Path, old: str, new: str) -> int:
    """Replace `old` in a file; the line (from 1) it stood on."""
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return text[: text.index(old)].count("\n") + 1


def test_the_example_is_understood(folder: Path) -> None:
    found = loaded(folder)
    config = found.config
    assert config.store == f"sqlite:///{folder}/connector.db"
    assert (config.listen.host, config.listen.port) == ("127.0.0.1", 8080)
    assert config.connections["salesforce"].linger == timedelta(minutes=1)
    assert config.connections["zendesk"].quota.share == 0.5
    assert config.connections["zendesk"].ceiling["new_tickets"].count == 300
    assert config.thresholds[1].where == {"service": "brakes"}
    ticket, _, task = config.playbooks["service-recovery"].steps
    assert isinstance(ticket, TicketStep)
    assert isinstance(task, TaskStep)
    assert task.due == timedelta(hours=48)
    assert set(found.survey_mappings) == {"service", "desk", "kiosk"}
    assert set(found.field_mappings["zendesk"]) == {"ticket", "note", "answer"}
    assert set(found.rules) == {"unhappy", "safety"}
    notify = config.rules[1].do[1].notify
    assert notify is not None
    assert notify.text in found.templates
    assert found.themes is not None
    assert "safety" in found.themes.critical


def test_the_environment_overrides_the_file(folder: Path) -> None:
    found = loaded(
        folder,
        CONNECTOR__MODE="live",
        CONNECTOR__CONNECTIONS__ZENDESK__BASE_URL="http://127.0.0.1:9",
        CONNECTOR__SEGMENTS='["service", "location", "technician", "tier", "channel", "region"]',
        CONNECTOR__HEALTH_SCORE__COVERAGE="0.5",
        CONNECTOR__PLAYBOOKS__SERVICE_RECOVERY__STEPS__2__TASK__DUE="24h",
    )
    assert found.config.mode == "live"
    assert str(getattr(found.config.connections["zendesk"].options, "base_url", "")).startswith("http://127.0.0.1:9")
    assert found.config.segments[-1] == "region"
    assert found.config.health_score is not None
    assert found.config.health_score.coverage == 0.5
    task = found.config.playbooks["service-recovery"].steps[2]
    assert isinstance(task, TaskStep)
    assert task.due == timedelta(hours=24)


@pytest.mark.parametrize(
    ("variable", "value", "suggestion"),
    [
        ("CONNECTOR__MOED", "live", "mode"),
        ("CONNECTOR__MODE", "lvie", "live"),
        ("CONNECTOR__CONNECTIONS__SLACK__TOKN", "x", "token"),
        ("CONNECTOR__CONNECTIONS__SALESFORC__BASE_URL", "http://127.0.0.1:9", "salesforce"),
        ("CONNECTOR__CONNECTIONS__SALESFORCE_BASE_URL", "http://127.0.0.1:9", "salesforce"),
        ("CONNECTOR__SURVEYS__SERVISE__FORMS", '["aB3dE9"]', "service"),
        ("CONNECTOR__HEALTH_SCORE__WRIT__LINGER", "1s", "write"),
        ("CONNECTOR__THRESHOLDS__9__AT", "2", None),
        ("CONNECTOR__TIME_ZONE", "Europe/Berlim", "Europe/Berlin"),
        ("CONNECTOR_MODE", "live", "CONNECTOR__MODE"),
    ],
)
def test_a_mistake_in_the_environment_points_at_the_variable(
    folder: Path, variable: str, value: str, suggestion: str | None
) -> None:
    (problem,) = problems(folder, ENVIRON | {variable: value})
    assert (problem.file, problem.suggestion) == (variable, suggestion)


def test_a_key_that_is_there_already_is_not_what_was_meant(folder: Path) -> None:
    line = edit(folder / "config.yaml", "from: inhouse", "form: inhouse")
    (problem,) = problems(folder)
    assert (problem.line, problem.suggestion) == (line, "from")


def test_references_are_filled_from_environment_files_and_defaults(folder: Path) -> None:
    (folder / "slack.txt").write_text("xoxb-from-a-file\n", encoding="utf-8")
    edit(folder / "config.yaml", '"${SLACK_TOKEN}"', '"${file:slack.txt}"')
    edit(folder / "config.yaml", "coverage: 0.4", 'coverage: "${COVERAGE:-0.3}"')
    edit(folder / "config.yaml", "time_zone: Europe/Berlin", "time_zone: ${ZONE}")
    edit(folder / "config.yaml", 'channel: "#csat-ops"', 'channel: "#$${x}"')
    config = loaded(folder, ZONE="Europe/Madrid").config
    assert getattr(config.connections["slack"].options, "token").reveal() == "xoxb-from-a-file"  # noqa: B009
    assert config.health_score is not None
    assert config.health_score.coverage == 0.3
    assert config.time_zone == "Europe/Madrid"
    assert config.operators is not None
    assert config.operators.notify.channel == "#${x}"


def test_a_variable_that_is_not_set_is_one_problem_on_its_line(folder: Path) -> None:
    line = edit(folder / "config.yaml", "${ZENDESK_CLIENT_ID}", "${ZENDESK_CLIENT}")
    (problem,) = problems(folder)
    assert (problem.line, problem.suggestion) == (line, "ZENDESK_CLIENT_ID")


@pytest.mark.parametrize(
    ("file", "old", "new", "suggestion"),
    [
        ("surveys/typeform-desk.yaml", "hidden.tier", "hiden.tier", None),
        ("surveys/typeform-desk.yaml", "metric: csat", "metrik: csat", "metric"),
        ("surveys/typeform-desk.yaml", "scale: 1-5", "scale: 5-1", None),
        ("surveys/typeform-desk.yaml", "  tier:", "  teir:", "tier"),
        ("surveys/typeform-service.yaml", "  staff:", "  staf:", "staff"),
        ("crm/salesforce.yaml", "LastName:", "LastNmae:", "LastName"),
        ("crm/salesforce.yaml", "ActivityDate: {value: submitted_at", "ActivityDat: {value: submitted_at", None),
        ("crm/salesforce.yaml", "score.trend", "score.trnd", "score.trend"),
        ("crm/salesforce.yaml", "contact_fields:", "contact_feilds:", "contact_fields"),
        ("crm/salesforce.yaml", "when_null: clear", "when_null: claer", "clear"),
        ("helpdesk/zendesk.yaml", "requester_email:", "requester_emial:", "requester_email"),
        ("helpdesk/zendesk.yaml", "{{ match.text }}", "{{ match.txt }}", "match.text"),
        ("helpdesk/zendesk.yaml", "{% for line in links %}", "{% for line in lnks %}", "links"),
    ],
)
def test_a_mistake_in_a_mapping_file_points_into_that_file(
    folder: Path, file: str, old: str, new: str, suggestion: str | None
) -> None:
    line = edit(folder / "mappings" / file, old, new)
    found = problems(folder)
    right = [each for each in found if each.file.endswith(file) and each.line == line]
    assert right, found
    assert suggestion is None or any(each.suggestion == suggestion for each in right), found


def test_an_override_is_not_what_a_missing_variable_was_meant_to_be(folder: Path) -> None:
    environ = {name: text for name, text in ENVIRON.items() if name != "CONNECTOR_KEY"}
    (problem,) = problems(folder, {**environ, "CONNECTOR__LISTEN": "127.0.0.1:1"})
    assert ("CONNECTOR_KEY is not set" in problem.message, problem.suggestion) == (True, None)


def test_a_template_that_cannot_be_read_is_one_problem_on_its_line(folder: Path) -> None:
    line = edit(folder / "config.yaml", "{{ rating }}", "{{ rating")
    (problem,) = problems(folder)
    assert (problem.line, problem.message) == (line, "cannot be read: expected token ':', got '}'")


def test_a_section_that_is_used_but_not_written_is_missed(folder: Path) -> None:
    path = folder / "mappings" / "helpdesk" / "zendesk.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text[: text.index("note:")], encoding="utf-8")
    assert {problem.message for problem in problems(folder)} == {"'note' is missing", "'answer' is missing"}


def test_everything_wrong_is_reported_at_once(folder: Path) -> None:
    config = folder / "config.yaml"
    lines = {
        edit(config, "mode: observe", "mode: obsevre"),
        edit(config, "at: 6", "at: six"),
        edit(config, "open_recovery: service-recovery, severity", "open_recovery: service-recovry, severity"),
        edit(config, "from: zendesk", "from: slack"),
    }
    edit(folder / "mappings" / "surveys" / "webhook-kiosk.yaml", "answers.text", "answer.text")
    found = problems(folder)
    assert {each.line for each in found if each.file.endswith("config.yaml")} == lines
    assert any(each.file.endswith("webhook-kiosk.yaml") for each in found)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("version: [", "is no YAML"),
        ("- a", "expected a configuration"),
        ("", "expected a configuration"),
        ("version: 1\nversion: 1", "written twice"),
        ("version: 1\nrules: &a [*a]", "nests too deeply"),
    ],
)
def test_a_file_that_is_no_configuration_says_so(folder: Path, text: str, message: str) -> None:
    (folder / "config.yaml").write_text(text, encoding="utf-8")
    assert any(message in problem.message for problem in problems(folder))


def test_words_that_yaml_1_1_took_for_booleans_stay_words(folder: Path) -> None:
    edit(folder / "config.yaml", "languages: [en, de, es]", "languages: [en, no]")
    edit(folder / "config.yaml", "service: brakes", "service: on")
    config = loaded(folder).config
    assert config.analysis.languages == ("en", "no")
    assert config.thresholds[1].where == {"service": "on"}


def test_no_secret_is_shown_or_told(folder: Path) -> None:
    canary = "canary-4f9a7c"
    environ = dict.fromkeys(ENVIRON, canary)
    edit(folder / "config.yaml", "sqlite:///connector.db", f"postgresql://csat:{canary}@db.example/csat")
    shown = json.dumps(redacted(load(folder / "config.yaml", kinds(), environ).config))
    assert canary not in shown.replace(f'"client_id": "{canary}"', "")
    assert '"kind": "zendesk"' in shown
    for old, new in (("token:", "tokn:"), ("${CONNECTOR_KEY}", "")):
        edit(folder / "config.yaml", old, new)
    assert all(canary not in str(problem) for problem in problems(folder, environ))


def test_two_connections_cannot_lead_to_one_account(folder: Path) -> None:
    line = edit(
        folder / "config.yaml",
        "  slack:\n    kind: slack",
        """  desk:
    kind: zendesk
    subdomain: ACME
    client_id: "${ZENDESK_CLIENT_ID}"
    client_secret: "${ZENDESK_CLIENT_SECRET}"
  slack:
    kind: slack""",
    )
    [problem] = problems(folder)
    assert (problem.line, problem.column) == (line, 3)
    assert "zendesk:acme" in problem.message
    assert "'zendesk'" in problem.message


def test_the_reference_page_is_what_the_models_say() -> None:
    assert (ROOT / "docs" / "config.md").read_text(encoding="utf-8") == reference(kinds())


def test_the_schema_knows_every_kind_and_closes_every_group() -> None:
    schema = json_schema(kinds())
    assert {f"connection_{kind}" for kind in kinds()} <= set(schema["$defs"])
    assert schema["additionalProperties"] is False
    assert {"version", "connections", "privacy"} <= set(schema["required"])
    text = json.dumps(schema)
    for name in schema["$defs"]:
        assert f"#/$defs/{name}" in text, name
    for reference_ in text.split('"$ref": "#/$defs/')[1:]:
        assert reference_.partition('"')[0] in schema["$defs"]
