"""A mail server holds what every adapter must hold, as far as somebody can who keeps no record."""

from __future__ import annotations

from connector.testing.writing import WriterSuite
from tests.durability.effects_smtp import SMTP


class TestWrites(WriterSuite):
    cases = SMTP
    lacks = {
        "C14": "A mail that was sent cannot be changed; what an edited answer says is another mail.",
        "C16": "A mail that was sent is in somebody's mailbox and cannot be called back.",
    }
