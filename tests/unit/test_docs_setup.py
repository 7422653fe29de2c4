"""docs/setup.md shows what the commands really print. `python -m tests.unit.test_docs_setup` writes it anew."""

from __future__ import annotations

import contextlib
import io
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from connector.cli import main as connector
from connector.clock import SystemClock
from connector.simulator.suite import Simulators, start_all
from connector.store.keyring import KeyRing

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "setup.md"
URL = "https://csat.example.com"
MAIL = {"field": "notification_user", "value": ["requester_id", "We received it", "Hello"]}
OFFER = {"field": "satisfaction_score", "value": "offered"}


def typed(*words: str) -> str:
    """What a command prints."""
    said = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
        patch.setattr(sys, "argv", ["connector", *words])
        connector()
    lines = [line.rstrip() for line in said.getvalue().rstrip().splitlines()]
    return "\n".join(lines)


@contextlib.contextmanager
def a_new_folder() -> Iterator[Simulators]:
    """Bare accounts, and the example configuration in the working directory."""
    folder = Path(tempfile.mkdtemp(prefix="connector-docs-"))
    shutil.copytree(ROOT / "mappings", folder / "mappings")
    shutil.copy(ROOT / "config.example.yaml", folder / "connector.yaml")
    with start_all(SystemClock(), bare=True) as simulators, pytest.MonkeyPatch.context() as patch:
        simulators.typeform.account.pace(1000)
        patch.chdir(folder)
        patch.delenv("CONNECTOR_CONFIG", raising=False)
        for name, value in {**simulators.environment(), "CONNECTOR_KEY": KeyRing.generate()}.items():
            patch.setenv(name, value)
        yield simulators
    shutil.rmtree(folder, ignore_errors=True)


def screens() -> Mapping[str, str]:
    """Every screen of the page, in the order a person sees them."""
    with a_new_folder() as simulators, pytest.MonkeyPatch.context() as patch:
        shown = {
            "check-bare": typed("check", "--live"),
            "setup-plan": typed("setup", "--plan"),
            "setup-apply": typed("setup", "--apply"),
            "setup-again": typed("setup", "--apply"),
            "draft": typed("mapping", "draft", "typeform", "xY7zQ1", "--name", "desk"),
        }
        patch.setenv("CONNECTOR__PUBLIC_URL", URL)
        shown["webhooks"] = typed("webhooks", "install")
        simulators.zendesk.admin.add_group("Service Recovery")
        shown["check-ready"] = typed("check", "--live")
        when = {"all": [{"field": "update_type", "operator": "is", "value": "Create"}]}
        simulators.zendesk.admin.add_trigger("Thank you", when, [MAIL])
        late = {"all": [{"field": "SOLVED", "operator": "is", "value": "24"}]}
        simulators.zendesk.admin.add_automation("Request customer satisfaction rating", late, [OFFER])
        shown["check-rules"] = typed("check", "--live")
    return {name: re.sub(r"\d{4}-\d\d-\d\d", "2026-11-22", text) for name, text in shown.items()}


def written(page: str, shown: Mapping[str, str]) -> str:
    """The page with the screens in their places."""
    for name, text in shown.items():
        pattern = re.compile(f"(?<=<!-- {name} -->\n).*?(?=<!-- end -->)", re.DOTALL)
        assert len(pattern.findall(page)) == 1, f"the page has no place for {name}"
        start, end = next(pattern.finditer(page)).span()
        page = f"{page[:start]}```text\n{text}\n```\n{page[end:]}"
    return page


@pytest.mark.slow
def test_the_screens_are_what_the_commands_print() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert written(page, screens()) == page, "run `make docs`"


def main() -> None:
    """Write the page anew."""
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), screens()), encoding="utf-8")


if __name__ == "__main__":
    main()
