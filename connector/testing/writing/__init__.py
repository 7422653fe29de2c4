"""The suite of a Writer: every kind of write, driven by the real write lane, in virtual time.

Its cases are values of `Effect` by name; `docs/adapters.md` says how to write them.
"""

from __future__ import annotations

from connector.testing.writing.content import ContentQuestions
from connector.testing.writing.delivery import DeliveryQuestions
from connector.testing.writing.promises import PromiseQuestions


class WriterSuite(DeliveryQuestions, ContentQuestions, PromiseQuestions):
    """What every kind of write of every adapter must hold."""
