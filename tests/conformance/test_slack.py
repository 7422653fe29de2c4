"""Slack holds what every adapter must hold."""

from __future__ import annotations

from connector.testing.writing import WriterSuite
from tests.durability.effects import SLACK


class TestWrites(WriterSuite):
    cases = SLACK
