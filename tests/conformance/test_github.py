"""GitHub Issues hold what every adapter must hold."""

from __future__ import annotations

from connector.testing.writing import WriterSuite
from tests.durability.effects_github import GITHUB


class TestWrites(WriterSuite):
    cases = GITHUB
    lacks = {
        "C2 issue_note": "GitHub refuses no text of a comment: what would be too long is cut.",
        "C13 issue_note": "A comment has one field, and no text of it is refused.",
        "C16": "An issue is about many people: it is written anew without who is erased (docs/defects.md).",
    }
