"""What a thousand answers cost in vendor calls, in a run as shipped. `make bench-calls` judges the seconds as well."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks.calls import CRM_MOST, ZENDESK_MOST, measure

pytestmark = [pytest.mark.slow, pytest.mark.alone]


@pytest.mark.parametrize("crm", sorted(CRM_MOST))
def test_calls_per_thousand_answers(tmp_path: Path, capsys: pytest.CaptureFixture[str], crm: str) -> None:
    found = measure(crm, tmp_path / "stage")
    with capsys.disabled():
        sys.stdout.write(f"\n{found.table()}\n")
    assert found.to_crm <= CRM_MOST[crm]
    assert found.to_zendesk <= ZENDESK_MOST
