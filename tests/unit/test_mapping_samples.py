"""The golden pairs: a delivery as it arrives, and the response the shipped mapping makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from connector.adapters.file import File
from connector.adapters.file import Options as FileOptions
from connector.adapters.typeform import Options as TypeformOptions
from connector.adapters.typeform import Typeform
from connector.adapters.webhook import Options as WebhookOptions
from connector.adapters.webhook import Webhook
from connector.clock import VirtualClock
from connector.domain.mapping.survey import compile_survey
from connector.domain.model.response import Response
from connector.ports import Source
from connector.secret import Secret
from connector.transport.grants import MemoryTokens
from connector.transport.kit import Kit

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "mappings" / "samples"
RECEIVED = datetime(2026, 11, 20, 18, 9, 45, tzinfo=UTC)


def _source(kind: str) -> Source:
    clock = VirtualClock(RECEIVED)
    kit = Kit(clock=clock, token_store=MemoryTokens(clock))
    if kind == "typeform":
        return Typeform("forms", TypeformOptions(webhook_secret=[Secret("sim-typeform")]), kit)
    if kind == "file":
        return File("old", FileOptions(), kit)
    return Webhook("inhouse", WebhookOptions(webhook_secret=[Secret("sim-inhouse")]), kit)


def _mapped(sample: Path) -> Response:
    source = _source(sample.stem.partition("-")[0])
    record = source.read(sample.read_bytes())
    assert record is not None
    tree = yaml.safe_load((ROOT / "mappings" / "surveys" / f"{sample.stem}.yaml").read_text(encoding="utf-8"))
    return compile_survey(tree).respond(
        kind=source.kind,
        survey="sample",
        form=record.form,
        id=record.id,
        submitted_at=record.submitted_at,
        received_at=RECEIVED,
        answers=record.answers,
        hidden=record.hidden,
        metadata=record.metadata,
    )


def _plain(value: Any) -> Any:
    """A response as YAML would hold it: what is None is left out."""
    if is_dataclass(value):
        value = {each.name: getattr(value, each.name) for each in fields(value)}
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, str) else value


@pytest.mark.parametrize("sample", sorted(SAMPLES.glob("*.json")), ids=lambda path: path.stem)
def test_a_sample_becomes_the_response_beside_it(sample: Path) -> None:
    expected = yaml.safe_load(sample.with_suffix(".expected.yaml").read_text(encoding="utf-8"))
    assert _plain(_mapped(sample)) == expected


def test_every_survey_mapping_has_a_sample() -> None:
    mappings = {path.stem for path in (ROOT / "mappings" / "surveys").glob("*.yaml")}
    assert mappings == {path.stem for path in SAMPLES.glob("*.json")}
