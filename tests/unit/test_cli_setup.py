"""`check --live`, `setup`, `webhooks` and `mapping` as typed: what they print, and how they end."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from connector.clock import SystemClock
from connector.simulator.suite import Simulators, start_all
from connector.store import inbox
from connector.store.database import Database
from connector.store.inbox import Arrival
from connector.store.keyring import KeyRing
from connector.wiring.opening import load_config, open_store
from tests.unit.keyboard import Keyboard

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def simulators() -> Iterator[Simulators]:
    with start_all(SystemClock(), bare=True) as running:
        running.typeform.account.pace(1000)
        yield running


@pytest.fixture
def typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], simulators: Simulators
) -> Keyboard:
    """A folder as `init` leaves it, and the environment that leads to bare accounts."""
    shutil.copytree(ROOT / "mappings", tmp_path / "mappings")
    shutil.copy(ROOT / "config.example.yaml", tmp_path / "connector.yaml")
    for name, value in {**simulators.environment(), "CONNECTOR_KEY": KeyRing.generate()}.items():
        monkeypatch.setenv(name, value)
    return Keyboard(monkeypatch, capsys, tmp_path)


def store_of(typed: Keyboard) -> Database:
    return open_store(load_config(str(typed.folder / "connector.yaml")).config, SystemClock())


@pytest.mark.slow
def test_what_cannot_be_made_ends_with_4_and_the_click_paths(typed: Keyboard, simulators: Simulators) -> None:
    typed("check", "--live").says(4, "Stands in the way (7)", "fix: `connector setup --apply`")
    told = typed("check", "--live", "--json")
    assert (told.code, told.json["blocking"]) == (4, 7)
    typed("setup", "--plan", "--apply").says(2, "say one of them")
    typed("setup").says(0, "would make salesforce", "10 to make: `connector setup --apply`")
    simulators.salesforce.setup.allowed = False
    refused = typed("setup", "--apply")
    refused.says(4, "FAILED", "Setup › Permission Sets › New", "made zendesk")
    assert refused.out.count("by hand  salesforce") == 9
    simulators.salesforce.setup.allowed = True
    assert typed("setup", "--apply", "--json").json["made"][0]["failed"] is False
    typed("setup", "--apply").says(0, "Nothing to make in salesforce, zendesk")
    typed("check", "--live").says(0, "Ready: typeform, salesforce, slack")


@pytest.mark.slow
def test_webhooks_need_an_address(typed: Keyboard) -> None:
    typed("webhooks", "install").says(2, "set public_url in the configuration")
    typed("webhooks", "install", "--public-url", "csat").says(2, "expected an address")
    typed("webhooks", "list").says(0, "No webhook leads here")
    typed("webhooks", "install", "--plan", "--public-url", "https://csat.example.com").says(0, "3 to make")
    typed("webhooks", "list").says(0, "No webhook leads here")
    typed("webhooks", "install", "--public-url", "https://csat.example.com").says(0, "made typeform", "made zendesk")
    typed("webhooks", "install", "--public-url", "https://csat.example.com/").says(0, "Nothing to make")
    assert len(typed("webhooks", "list", "--json").json) == 3


def test_a_wrong_address_in_the_configuration_is_refused(typed: Keyboard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONNECTOR__PUBLIC_URL", "csat.example.com")
    typed("check").says(2, "expected an address such as https://csat.example.com")


@pytest.mark.slow
def test_a_draft_is_written_once_and_can_be_used(typed: Keyboard) -> None:
    typed("mapping", "draft", "typeform", "aB3dE9", "--name", "visit").says(
        0, "scale: 1-5", "set `surveys.service.mapping` to it"
    )
    typed("mapping", "draft", "typeform", "aB3dE9", "--name", "visit").says(1, "is there already")
    typed("mapping", "draft", "typeform", "aB3dE9", "--name", "../visit").says(2, "a name, not a path")
    typed("mapping", "draft", "typeform", "nope").says(1, "typeform has no form nope")
    typed("mapping", "draft", "slack", "aB3dE9").says(1, "cannot read forms; typeform can")
    config = typed.folder / "connector.yaml"
    config.write_text(config.read_text().replace("surveys/typeform-service.yaml", "surveys/visit.yaml"))
    typed("check").says(0, "is right")
    sample = typed.folder / "mappings" / "samples" / "typeform-service.json"
    shutil.copy(sample, sample.with_name("visit.json"))
    typed("mapping", "test").says(1, "visit.json: new", "comment: The brakes still grind")
    typed("mapping", "accept").says(1, "nothing was recorded; say --yes to accept 1")
    typed("mapping", "accept", "visit", "--yes").says(0, "1 recorded")
    typed("mapping", "test").says(0, "visit.json: same", "typeform-service.json: not tried")


def test_a_mapping_that_reads_otherwise_is_shown_until_it_is_accepted(typed: Keyboard) -> None:
    typed("mapping", "test").says(0, "typeform-desk.json: same")
    desk = typed.folder / "mappings" / "surveys" / "typeform-desk.yaml"
    desk.write_text(desk.read_text().replace("best: low", "best: high"))
    typed("mapping", "test").says(1, "ratings[0].scale.best: accepted 'low', now 'high'", "1 of")
    told = {one["sample"]: one for one in typed("mapping", "test", "--json").json}
    assert told["typeform-desk.json"]["differences"][0]["place"] == "ratings[0].scale.best"
    typed("mapping", "accept", "other").says(1, "there is no sample other")
    typed("mapping", "accept", "--yes").says(0, "1 recorded")
    typed("mapping", "test").says(0)
    desk.write_text(desk.read_text().replace("1-5", "1-3"))
    sample = desk.parents[1] / "samples" / "typeform-desk.json"
    sample.write_text(sample.read_text().replace('"number": 1', '"number": 4'))
    typed("mapping", "test").says(1, "typeform-desk.json: ratings[0]: is not on the scale 1-3")
    typed("mapping", "accept", "--yes").says(1, "cannot be read, so nothing was recorded")
    typed("mapping", "test", "--samples", "nowhere").says(1, "there are no samples in nowhere")


def test_a_stored_delivery_is_mapped_as_the_mapping_is_now(typed: Keyboard) -> None:
    payload = (typed.folder / "mappings" / "samples" / "typeform-desk.json").read_bytes()
    db = store_of(typed).create()
    arrival = Arrival(connection="typeform", kind="typeform", payload=payload, received_at=SystemClock().now())
    with db.write() as tx:
        inbox.add(tx, [arrival])
    typed("mapping", "test", "--delivery", "1").says(0, "survey: desk", "best: low")
    assert typed("mapping", "test", "--delivery", "1", "--json").json["form"] == "xY7zQ1"
    typed("mapping", "test", "--delivery", "9").says(1, "there is no delivery 9")
    db.close()
