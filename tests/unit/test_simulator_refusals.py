"""How much the simulators refuse. Each table is provoked row by row in `test_simulator_<vendor>_refusals.py`."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from connector.simulator import hubspot, salesforce, slack, zendesk

pytestmark = pytest.mark.slow  # `make quick` leaves it to `make test`

TABLES = {
    "salesforce": salesforce.REFUSALS,
    "hubspot": hubspot.REFUSALS,
    "zendesk": zendesk.REFUSALS,
    "slack": slack.REFUSALS,
}


def test_the_number_of_refusals_is_printed(show: Callable[[str], None]) -> None:
    counts = {vendor: len(table) for vendor, table in TABLES.items()}
    parts = ", ".join(f"{vendor} {count}" for vendor, count in counts.items())
    show(f"simulators refuse {sum(counts.values())} things: {parts}")
    assert all("throttled" in table and "unknown-route" in table for table in TABLES.values())
