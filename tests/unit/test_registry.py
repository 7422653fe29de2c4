"""Kinds are found by name, imported on use, and are what they say they are."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import EntryPoint, EntryPoints

import pytest
from pydantic import BaseModel

from connector.adapters import registry
from connector.clock import VirtualClock
from connector.domain.model.intent import WriteKind
from connector.errors import ConfigError
from connector.ports import Interactions, Source, Writer
from connector.transport.grants import MemoryTokens
from connector.transport.kit import Kit

CLOCK = VirtualClock(datetime(2026, 11, 21, tzinfo=UTC))
KIT = Kit(clock=CLOCK, token_store=MemoryTokens(CLOCK))
ROWS = {"columns": {"id": "no", "occurred_at": "at"}}
GIVEN: dict[str, dict[str, object]] = {
    "csv": {"path": "orders.csv", **ROWS},
    "file": {},
    "github": {"repository": "acme/shop", "token": "sample"},
    "hubspot": {"portal": "4711", "token": "pat-na1-sample"},
    "jira": {"site": "acme", "project": "SHOP", "email": "csat@example.com", "token": "sample"},
    "salesforce": {"domain": "acme.my.salesforce.com", "client_id": "id", "client_secret": "secret"},
    "slack": {"token": "xoxb-sample"},
    "smtp": {"host": "smtp.example.com", "from": "care@example.com"},
    "sql": {
        "url": "sqlite:///erp.db",
        "query": "SELECT no, at, changed FROM orders WHERE changed >= :since",
        "changed_at": "changed",
        **ROWS,
    },
    "typeform": {"webhook_secret": ["secret"]},
    "webhook": {"webhook_secret": ["secret"]},
    "workflow": {"url": "https://hooks.example.com/catch/1", "secret": "a secret of 16 bytes or more"},
    "zendesk": {"subdomain": "acme", "client_id": "id", "client_secret": "secret"},
}
ROLES = {
    "csv": {"interactions"},
    "file": {"source"},
    "github": {"tracker"},
    "hubspot": {"crm"},
    "jira": {"tracker"},
    "salesforce": {"crm"},
    "slack": {"notifier"},
    "smtp": {"messenger", "notifier"},
    "sql": {"interactions"},
    "typeform": {"source"},
    "webhook": {"source"},
    "workflow": {"workflow"},
    "zendesk": {"helpdesk", "interactions"},
}


def test_every_kind_is_tried_here() -> None:
    assert set(registry.KINDS) == set(GIVEN) == set(ROLES)


@pytest.mark.parametrize("kind", sorted(registry.KINDS))
def test_a_kind_is_what_it_says(kind: str) -> None:
    spec = registry.kinds()[kind]
    assert spec.kind == kind
    assert spec.roles == ROLES[kind]
    assert issubclass(spec.options, BaseModel)
    assert spec.options.model_config.get("extra") == "forbid"
    assert spec.options.model_config.get("frozen")
    built = registry.build(kind, "named", spec.options.model_validate(GIVEN[kind]), KIT)
    if spec.roles == {"source"}:
        assert isinstance(built, Source)
        assert spec.writes == frozenset()
    elif spec.roles == {"interactions"}:
        assert isinstance(built, Interactions)
        assert spec.writes == frozenset()
        assert built.account == f"{kind}:named"  # files and databases have no account of their own
    else:
        assert isinstance(built, Writer)
        assert set(built.promises) == spec.writes
        assert built.account.startswith(f"{kind}:")
        assert "named" not in built.account


def test_known_fields_are_there_for_what_can_be_checked_offline() -> None:
    kinds = registry.kinds()
    for kind in ("hubspot", "salesforce", "zendesk"):
        known = kinds[kind].known_fields
        assert known is not None
        assert set(known) == kinds[kind].writes
        assert kinds[kind].custom_field is not None
    assert "LastName" in (kinds["salesforce"].known_fields or {})[WriteKind.CONTACT]


def test_an_unknown_kind_is_not_there() -> None:
    kinds = registry.kinds()
    assert "zendesk" in kinds
    assert "zendsk" not in kinds
    with pytest.raises(KeyError):
        kinds["zendsk"]
    options: type[BaseModel] = kinds["slack"].options
    with pytest.raises(ConfigError, match="zendsk"):
        registry.build("zendsk", "named", options.model_validate(GIVEN["slack"]), KIT)


def test_listing_kinds_imports_no_adapter() -> None:
    code = (
        "import sys; from connector.adapters.registry import kinds; assert 'zendesk' in list(kinds()); "
        "named = ('zenpy', 'simple_salesforce', 'hubspot', 'connector.adapters.slack'); "
        "sys.exit(any(name in sys.modules for name in named))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_module_that_is_not_this_kinds_adapter_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    places = {
        "mixed-up": "connector.adapters.zendesk:Zendesk",
        "absent": "connector.adapters.zendesk:Nothing",
        "not-installed": "csat_connector_nowhere:Adapter",
        "zendesk": "csat_connector_nowhere:Adapter",
    }
    points = EntryPoints(EntryPoint(name, value, registry.GROUP) for name, value in places.items())
    monkeypatch.setattr(registry, "entry_points", lambda *, group: points.select(group=group))
    kinds = registry.kinds()
    assert kinds["zendesk"].kind == "zendesk"
    for kind in ("mixed-up", "absent", "not-installed"):
        assert kind in kinds
        with pytest.raises(ConfigError, match=kind):
            kinds[kind]
