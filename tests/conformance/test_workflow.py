"""A receiver of events holds what every adapter must hold."""

from __future__ import annotations

from connector.testing.writing import WriterSuite
from tests.durability.effects_workflow import WORKFLOW


class TestWrites(WriterSuite):
    cases = WORKFLOW
    lacks = {
        "C2": "A receiver takes any data: there is no event that it refuses for good because of what is in it.",
        "C13": "A receiver takes any data.",
        "C16": "What a receiver made of an event is its own and cannot be called back.",
    }
