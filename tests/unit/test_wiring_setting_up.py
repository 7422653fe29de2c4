"""Bare accounts are prepared once: the second time there is nothing to do, and what is half done is finished."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from connector.adapters.registry import kinds
from connector.clock import SystemClock
from connector.config import Loaded, load
from connector.simulator.suite import Simulators, start_all
from connector.simulator.typeform import SECRET, SERVICE, payload
from connector.store.database import Database
from connector.wiring.accounts import Accounts
from connector.wiring.inspection import inspect
from connector.wiring.setting_up import Lack, Made, hook_lacks, hooks, lacks, make
from tests.unit.samples import empty_store

EXAMPLE = Path(__file__).parents[2] / "config.example.yaml"
HERE = "http://127.0.0.1:9"
FIELDS = {
    "CSAT_Answers__c",
    "CSAT_As_Of__c",
    "CSAT_Band__c",
    "CSAT_Health__c",
    "CSAT_Person__c",
    "CSAT_Reason__c",
    "CSAT_Trend__c",
}


@dataclass(frozen=True)
class Rig:
    """Bare accounts, and the commands on them."""

    simulators: Simulators
    db: Database
    loaded: Loaded

    def accounts(self, *, read_only: bool = False) -> Accounts:
        return Accounts(self.loaded, SystemClock(), self.db, read_only=read_only)

    def apply(self) -> list[Made]:
        accounts = self.accounts()
        return [one for lack in lacks(self.loaded, accounts) for one in make(accounts, lack)]

    def install(self, url: str = HERE) -> list[Made]:
        accounts = self.accounts()
        return [one for lack in hook_lacks(self.loaded, accounts, url) for one in make(accounts, lack)]

    def writes(self) -> int:
        sites = (self.simulators.salesforce, self.simulators.zendesk, self.simulators.typeform)
        return sum(len(each.site.requests.writes()) for each in sites)


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    store = empty_store(tmp_path, SystemClock())
    with start_all(SystemClock(), bare=True) as simulators:
        simulators.typeform.account.pace(1000)
        loaded = load(EXAMPLE, kinds(), {**simulators.environment(), "CONNECTOR_KEY": "x" * 43})
        yield Rig(simulators, store, loaded)
    store.close()


def named(found: list[Lack], *, by_hand: bool = False) -> set[str]:
    return {change.subject for lack in found for change in lack.changes if change.only_by_hand is by_hand}


def test_planning_says_what_is_missing_and_makes_nothing(rig: Rig) -> None:
    found = lacks(rig.loaded, rig.accounts(read_only=True))
    assert {lack.connection: lack.error for lack in found} == {"salesforce": "", "zendesk": ""}
    fields = {f"Contact.{name}" for name in FIELDS} | {"Activity.CSAT_Key__c"}
    status = "status 'High Priority - Service Recovery Required'"
    assert named(found) == fields | {"permission set CSAT_Connector", status}
    assert named(found, by_hand=True) == {"group 'Service Recovery'"}
    assert rig.writes() == 0


def test_after_applying_the_accounts_are_ready_and_applying_again_does_nothing(rig: Rig) -> None:
    made = rig.apply()
    assert [one.said for one in made if one.failed] == []
    assert len(made) == 10
    before = rig.writes()
    assert rig.apply() == []
    assert rig.writes() == before
    looks = {look.connection: look for look in inspect(rig.loaded, SystemClock(), rig.db).looks}
    assert looks["salesforce"].findings == []
    assert [one.subject for one in looks["zendesk"].findings] == ["group 'Service Recovery'"]
    contact = rig.simulators.salesforce.org.schemas["Contact"]
    assert {name for name in contact if name.startswith("CSAT_")} == FIELDS
    assert (contact["CSAT_Person__c"].unique, contact["CSAT_Person__c"].external_id) == (True, True)
    assert (contact["CSAT_Health__c"].precision, contact["CSAT_Health__c"].scale) == (5, 2)


def test_fields_that_are_there_and_nobody_may_see_are_opened_not_made_again(rig: Rig) -> None:
    accounts = rig.accounts()
    (salesforce,) = [lack for lack in lacks(rig.loaded, accounts) if lack.connection == "salesforce"]
    fields = Lack(connection="salesforce", changes=salesforce.changes[:-1])
    assert len(list(make(accounts, fields))) == 8
    again = lacks(rig.loaded, accounts)
    assert named([lack for lack in again if lack.connection == "salesforce"]) == {"permission set CSAT_Connector"}
    rig.apply()
    assert named(lacks(rig.loaded, accounts)) == set()


def test_a_change_that_somebody_made_meanwhile_is_left_alone(rig: Rig) -> None:
    accounts = rig.accounts()
    planned = lacks(rig.loaded, accounts)
    rig.apply()
    before = rig.simulators.salesforce.truth["objects"]["CustomField"]
    said = [one for lack in planned for one in make(accounts, lack)]
    assert not any(one.failed for one in said)
    assert {one.said for one in said[:8]} == {"was there already"}
    assert rig.simulators.salesforce.truth["objects"]["CustomField"] == before
    labels = [status["agent_label"] for status in rig.simulators.zendesk.desk.statuses.values()]
    assert len(labels) == len(set(labels))


def test_who_may_not_make_fields_is_told_how_to_do_it_by_hand(rig: Rig) -> None:
    rig.simulators.salesforce.setup.allowed = False
    made = rig.apply()
    (failed,) = [one for one in made if one.failed]
    assert failed.connection == "salesforce", "one failure ends that account, not the others"
    assert failed.change.by_hand.startswith("Setup › Object Manager › Contact")
    assert [one.connection for one in made if not one.failed] == ["zendesk"]


def test_a_key_that_is_not_unique_is_repaired_by_hand(rig: Rig) -> None:
    rig.apply()
    org = rig.simulators.salesforce.org
    made = org.schemas["Contact"]["CSAT_Person__c"]
    org.schemas["Contact"]["CSAT_Person__c"] = type(made)(name="CSAT_Person__c", length=64, external_id=True)
    found = lacks(rig.loaded, rig.accounts())
    assert "Contact.CSAT_Person__c" in named(found, by_hand=True)
    assert named(found) == set()


def test_webhooks_are_installed_once_and_bring_answers(rig: Rig) -> None:
    made = rig.install()
    assert [(one.connection, one.failed) for one in made] == [
        ("typeform", False),
        ("typeform", False),
        ("zendesk", False),
    ]
    assert rig.install() == []
    assert {hook.url for _, hook in hooks(rig.loaded, rig.accounts())} == {
        f"{HERE}/hooks/typeform",
        f"{HERE}/hooks/zendesk",
    }
    hook = rig.simulators.typeform.hook
    assert hook is not None
    assert (hook.url, hook.secret, hook.enabled) == (f"{HERE}/hooks/typeform", SECRET, True)
    assert rig.simulators.zendesk.hook_url == f"{HERE}/hooks/zendesk"
    assert all("sim-" not in one.said for one in made), "no secret is printed"


def test_a_webhook_that_went_off_or_leads_elsewhere_is_put_right(rig: Rig) -> None:
    rig.install("http://127.0.0.1:7")
    assert len(rig.install()) == 3, "changed, not added"
    assert len(rig.simulators.zendesk.admin.webhooks) == 1
    assert len(rig.simulators.typeform.account.webhooks) == 2
    event = payload(SERVICE, {"csat": 1}, token="t1", submitted_at=SystemClock().now())
    assert rig.simulators.typeform.hook is not None
    rig.simulators.typeform.send(event)
    rig.simulators.typeform._hooks[SERVICE.id, "csat-connector"].enabled = False  # as after a 404
    assert [one.change.subject for one in rig.install()] == ["webhook of form aB3dE9"]
    assert rig.install() == []


def test_a_status_too_long_for_zendesk_is_said(rig: Rig, tmp_path: Path) -> None:
    name = "A status whose name is much too long for what Zendesk takes"
    shutil.copytree(EXAMPLE.parent / "mappings", tmp_path / "mappings")
    changed = tmp_path / "connector.yaml"
    changed.write_text(EXAMPLE.read_text().replace("High Priority - Service Recovery Required", name))
    loaded = load(changed, kinds(), {**rig.simulators.environment(), "CONNECTOR_KEY": "x" * 43})
    found = lacks(loaded, Accounts(loaded, SystemClock(), rig.db, read_only=True))
    assert f"status {name!r}" in named(found, by_hand=True)
