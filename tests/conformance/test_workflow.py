"""A receiver of events holds what every adapter must hold."""

from __future__ import annotations

from connector.testing.writing import WriterSuite
from tests.durability.effects_workflow import WORKFLOW


class TestWrites(WriterSuite):
    cases = WORKFLOW
