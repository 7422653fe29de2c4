"""The demo ends equal to the oracle, whatever the seed and the order."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("seed", "order"), [(1, 0), (1, 7), (2, 3)])
def test_the_demo_agrees_with_the_oracle(seed: int, order: int) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "connector", "demo", "--json", "--seed", str(seed), "--order", str(order)],
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    figures = {row["figure"]: row["found"] for row in told["figures"]}
    assert figures["accepted"] > 500
    assert figures["tickets"] > 40
    assert figures["forged"] == 1
