"""The suite of a Writer: every kind of write, driven by the real write lane, in virtual time.

Its cases are values of `Effect` by name; `docs/adapters.md` says how to write them.
"""

from __future__ import annotations

from connector.domain.model.intent import WriteKind
from connector.testing.effect import Effect
from connector.testing.writing.content import ContentQuestions
from connector.testing.writing.delivery import DeliveryQuestions
from connector.testing.writing.promises import PromiseQuestions

_ABOUT_AN_OBJECT = frozenset(
    {
        WriteKind.CONTACT_FIELDS,
        WriteKind.ACTIVITY,
        WriteKind.TASK,
        WriteKind.TICKET_UPDATE,
        WriteKind.NOTE,
        WriteKind.ISSUE_STATE,
        WriteKind.ISSUE_NOTE,
    }
)
_FIELDS = frozenset({WriteKind.CONTACT_FIELDS, WriteKind.TICKET_UPDATE})
_ONLY = {
    "C8": _ABOUT_AN_OBJECT,
    "C9": _FIELDS,
    "C10": _FIELDS | {WriteKind.TASK, WriteKind.TICKET},
    "C14": _FIELDS | {WriteKind.ACTIVITY, WriteKind.ALERT, WriteKind.ISSUE, WriteKind.ISSUE_STATE},
    "C16": frozenset(WriteKind) - {WriteKind.TICKET_UPDATE, WriteKind.ISSUE_STATE},
}
"""Criteria that concern some kinds only: what is about an object, has fields or dates, is changed later, is its own."""


class WriterSuite(DeliveryQuestions, ContentQuestions, PromiseQuestions):
    """What every kind of write of every adapter must hold."""

    @classmethod
    def group_of(cls, name: str, case: Effect) -> str:
        """Its kind of write: several cases may stand for one kind."""
        return case.kind.value

    @classmethod
    def expects(cls, criterion: str, case: Effect) -> bool:
        """As far as the kind has such a thing; late failures where jobs are declared."""
        if criterion == "C6":
            return case.promise.outcome == "job"
        return criterion not in _ONLY or case.kind in _ONLY[criterion]
