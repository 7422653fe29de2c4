"""A bare HubSpot account gets the properties the shipped mapping writes, once."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from connector.adapters.registry import kinds
from connector.clock import SystemClock
from connector.config import Loaded, load
from connector.simulator.suite import Simulators, start_all
from connector.store.database import Database
from connector.testing.example import for_crm
from connector.wiring.accounts import Accounts
from connector.wiring.inspection import inspect
from connector.wiring.setting_up import Lack, lacks, make
from tests.unit.samples import empty_store

ROOT = Path(__file__).parents[2]


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[tuple[Simulators, Loaded, Database]]:
    shutil.copytree(ROOT / "mappings", tmp_path / "mappings")
    config = tmp_path / "connector.yaml"
    config.write_text(for_crm((ROOT / "config.example.yaml").read_text(), "hubspot"))
    store = empty_store(tmp_path, SystemClock())
    with start_all(SystemClock(), bare=True, crm="hubspot") as simulators:
        simulators.typeform.account.pace(1000)
        environ = {**simulators.environment(), "CONNECTOR_KEY": "x" * 43}
        yield simulators, load(config, kinds(), environ), store
    store.close()


def of_hubspot(loaded: Loaded, db: Database) -> tuple[Accounts, Lack]:
    accounts = Accounts(loaded, SystemClock(), db, read_only=False)
    (lack,) = [one for one in lacks(loaded, accounts) if one.connection == "hubspot"]
    return accounts, lack


def test_missing_properties_are_made_with_unique_keys_and_then_the_account_is_ready(
    rig: tuple[Simulators, Loaded, Database],
) -> None:
    simulators, loaded, db = rig
    accounts, lack = of_hubspot(loaded, db)
    assert lack.error == ""
    ours = {change.subject for change in lack.changes if not change.only_by_hand}
    assert {"contacts.csat_person", "tasks.csat_key", "notes.csat_key", "contacts.csat_health"} <= ours
    assert [one.said for one in make(accounts, lack) if one.failed] == []
    schemas = simulators.hubspot.portal.schemas
    assert all(schemas[of][name].unique for of, name in (("contacts", "csat_person"), ("tasks", "csat_key")))
    assert schemas["contacts"]["csat_as_of"].type == "datetime"
    assert {change.subject for change in of_hubspot(loaded, db)[1].changes} == set()
    assert all(one.said == "was there already" for one in make(accounts, lack))
    (look,) = [one for one in inspect(loaded, SystemClock(), db).looks if one.connection == "hubspot"]
    assert [one for one in look.findings if one.blocking and "csat" in one.subject] == []
