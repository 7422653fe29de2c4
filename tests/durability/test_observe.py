"""Observe mode at the last door: whatever an adapter is asked to write, its transport refuses before the socket."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import connector.adapters
from connector.domain.model.intent import Item
from connector.errors import Transient
from connector.testing.effect import Effect
from connector.testing.trials import world_of
from connector.testing.world import World
from connector.transport.client import Api
from connector.transport.kit import Kit
from connector.transport.mail import Mail
from tests.durability.every_effect import EFFECTS

pytestmark = pytest.mark.both_stores

ADAPTERS = Path(connector.adapters.__file__).parent
# Searches that are too long for an address, or several in one call. They change nothing.
SEARCHES = {"hubspot/__init__.py", "jira.py", "salesforce/__init__.py"}

_api, _mail = Kit.api, Kit.mail


def read_only(kit: Kit, *args: object, **options: object) -> Api:
    return _api(replace(kit, read_only=True), *args, **options)  # type: ignore[arg-type]  # handed on as they are


def mail_read_only(kit: Kit, *args: object) -> Mail:
    return _mail(replace(kit, read_only=True), *args)  # type: ignore[arg-type]  # handed on as they are


@pytest.mark.parametrize("name", sorted(EFFECTS))
def test_no_kind_of_write_gets_through(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    effect: Effect = EFFECTS[name]
    monkeypatch.setattr(Kit, "api", read_only)
    monkeypatch.setattr(Kit, "mail", mail_read_only)
    # What the effect needs is refused, too, and would be tried again for hours: to see it refused, once will do.
    monkeypatch.setattr(World, "run", World.drain)
    with world_of(effect, tmp_path) as world:
        for number, wanted in enumerate(one for one in effect.wanted if one.kind is effect.kind):
            target = None if wanted.target is None else world.names.get(wanted.target, str(number + 1))
            fields = {field: value for field, value in wanted.fields.items() if "\ue000" not in str(value)}
            item = Item(key=wanted.key, target=target, fields=fields, cause_at=wanted.cause_at)
            request = world.writer.render(effect.kind, [item])
            with pytest.raises(Transient, match="observe mode: nothing is written"):
                world.writer.send(effect.kind, request, 1)
        world.plan(effect.wanted)
        world.drain()
        assert world.stand.site.requests.writes() == []
        assert [one for one in world.stand.site.snapshot()["writes"] if one["by"] == "api"] == []


def calls() -> Iterator[tuple[str, int, str, bool]]:
    """Every call an adapter makes itself: file, line, method, and whether it says that it writes."""
    for path in sorted(ADAPTERS.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "call"):
                continue
            (method,) = node.args[:1]
            said = next(word.value for word in node.keywords if word.arg == "write")
            assert isinstance(said, ast.Constant), f"{path}:{node.lineno}: whether it writes must be in plain sight"
            spoken = str(method.value) if isinstance(method, ast.Constant) else "any"
            yield str(path.relative_to(ADAPTERS)), node.lineno, spoken, bool(said.value)


def test_every_call_that_may_change_something_says_so() -> None:
    found = list(calls())
    assert len(found) > 15
    quiet = {(file, method) for file, _, method, writes in found if method != "GET" and not writes}
    assert quiet == {(file, "POST") for file in SEARCHES}
