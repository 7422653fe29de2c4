"""`engine` in the YAML: what it takes, where a mistake in it stands, and that no broker's password is shown."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from connector.adapters.registry import kinds
from connector.config import Loaded, load, redacted
from connector.config.fingerprint import fingerprint
from connector.config.schema import json_schema
from connector.errors import ConfigError, Problem
from tests.unit.test_config_mutations import ENVIRON, EXAMPLE, ROOT

BROKER = "redis://:lighthouse@broker.example.com:6379/0"
CELERY = {"CONNECTOR__ENGINE__KIND": "celery", "CONNECTOR__ENGINE__BROKER": BROKER}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return furnish(tmp_path / "here")


def furnish(folder: Path) -> Path:
    shutil.copytree(ROOT / "mappings", folder / "mappings")
    shutil.copy(EXAMPLE, folder / "config.yaml")
    return folder


def loaded(folder: Path, **environ: str) -> Loaded:
    return load(folder / "config.yaml", kinds(), ENVIRON | environ)


def with_engine(folder: Path, written: str) -> list[Problem]:
    file = folder / "config.yaml"
    file.write_text(file.read_text().replace("time_zone:", f"engine: {written}\ntime_zone:", 1))
    try:
        loaded(folder, BROKER=BROKER)
    except ConfigError as error:
        return list(error.problems)
    return []


def test_threads_are_the_default_and_celery_has_a_queue_of_its_own(folder: Path) -> None:
    assert loaded(folder).config.engine.kind == "embedded"
    engine = loaded(folder, **CELERY).config.engine
    assert (engine.kind, engine.queue) == ("celery", "connector")
    assert engine.broker is not None
    assert engine.broker.reveal() == BROKER


@pytest.mark.parametrize(
    "broker", [BROKER, "amqp://csat:secret@rabbit//", "rediss://h", "redis+socket:///run/r", "sqs://"]
)
def test_addresses_of_brokers_are_taken(folder: Path, broker: str) -> None:
    assert with_engine(folder, f'{{kind: celery, broker: "{broker}"}}') == []


@pytest.mark.parametrize(
    ("written", "said", "suggestion"),
    [
        ("{kind: celery}", "'broker' is missing", None),
        ("{kind: celry, broker: 'redis://h'}", "expected one of embedded, celery", "celery"),
        ("{kind: celery, broker: 'broker.example.com'}", "expected an address such as", None),
        ("{kind: celery, broker: 'reddis://:lighthouse@h'}", "begins with one of", "redis"),
        ("{kind: celery, broker: 'memory://here'}", "begins with one of", None),
        ("{kind: celery, broker: 'redis://'}", "expected an address such as", None),
        ("{kind: celery, broker: 'redis://a b'}", "expected an address such as", None),
        ("{kind: celery, broker: '${BROKER}', queue: 7}", "expected a text; put it in quotes", None),
        ("{kind: celery, brocker: '${BROKER}'}", "there is no key 'brocker'", "broker"),
        ("{broker: '${BROKER}'}", "does nothing here: only `kind: celery` reads it; remove `broker`", None),
        ("{kind: embedded, queue: csat}", "does nothing here: only `kind: celery` reads it; remove `queue`", None),
        ("{kind: celery, broker: '${BROKR}'}", "the environment variable BROKR is not set", "BROKER"),
        ("celery", "expected a group of keys", None),
    ],
)
def test_a_mistake_is_named_on_its_line_without_the_password(
    folder: Path, written: str, said: str, suggestion: str | None
) -> None:
    problems = with_engine(folder, written)
    line = (folder / "config.yaml").read_text().partition("\nengine:")[0].count("\n") + 2
    assert [(one.line, one.suggestion) for one in problems] == [(line, suggestion)], problems
    assert said in problems[0].message
    assert "lighthouse" not in str(problems[0])


def test_the_broker_is_hidden_wherever_the_configuration_is_shown(folder: Path) -> None:
    assert redacted(loaded(folder, **CELERY).config)["engine"] == {
        "kind": "celery",
        "broker": "…",
        "queue": "connector",
    }


def test_editors_know_the_engine() -> None:
    text = json.dumps(json_schema(kinds()))
    assert '"embedded", "celery"' in text
    assert "workers take this work from" in text


def test_where_it_runs_does_not_make_another_configuration(folder: Path, tmp_path: Path) -> None:
    here = fingerprint(loaded(folder).config)
    there = furnish(tmp_path / "there")
    assert fingerprint(loaded(there).config) == here
    assert fingerprint(loaded(there, **CELERY).config) == here
    mapping = there / "mappings" / "crm" / "salesforce.yaml"
    mapping.write_text(mapping.read_text() + "\n# another word")
    assert fingerprint(loaded(there).config) != here
