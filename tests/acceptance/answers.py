"""Answers as Typeform sends them, for the acceptance tests."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime


def typeform_delivery(
    form: str, token: str, at: datetime, answers: list[dict[str, object]], hidden: Mapping[str, str]
) -> str:
    """The body of one signed delivery: `answers` as Typeform has them, `hidden` what travelled with the link."""
    stamp = at.strftime("%Y-%m-%dT%H:%M:%SZ")
    fields = [answer["field"] for answer in answers]
    return json.dumps(
        {
            "event_id": f"ev-{token}",
            "event_type": "form_response",
            "form_response": {
                "form_id": form,
                "token": token,
                "landed_at": stamp,
                "submitted_at": stamp,
                "hidden": dict(hidden),
                "definition": {"id": form, "title": "How did we do?", "fields": fields},
                "answers": answers,
            },
        }
    )


def desk_delivery(token: str, at: datetime, email: str, rating: int) -> str:
    """An answer to the service desk's form: one rating of 1 to 5, 1 being best, about no ticket."""
    question = {"id": "f1", "ref": "satisfaction", "type": "opinion_scale"}
    given: list[dict[str, object]] = [{"type": "number", "number": rating, "field": question}]
    return typeform_delivery("xY7zQ1", token, at, given, {"email": email, "name": f"Sam {token.title()}"})
