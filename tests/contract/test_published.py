"""Every request we send and every reply a simulator gives fits what the vendor publishes, where it publishes it.

The descriptions belong to their vendors and are not kept here. `make contract SPECS=<folder>` looks for one JSON file
in `<folder>/zendesk`, `<folder>/slack` and `<folder>/jira`.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from tests.contract.description import Description, Exchange
from tests.contract.traffic import TRAFFIC

SOURCES = {
    "zendesk": "https://developer.zendesk.com/zendesk/oas.yaml (as JSON)",
    "jira": "https://developer.atlassian.com/cloud/jira/platform/swagger-v3.v3.json",
    "slack": "https://github.com/slackapi/slack-api-specs, web-api/slack_web_openapi_v2_without_examples.json",
}
UNSPOKEN = {"slack": frozenset({"token"})}
ENOUGH = {"zendesk": 20, "slack": 6, "jira": 8}
"""Endpoints that have to be called, or nothing was compared."""

_TICKET = r"(.*: 20[01] \.tickets?(\[\])?\.)"
WAIVED: Mapping[str, Mapping[str, str]] = {
    "zendesk": {
        r".*: 200 \.(count|next_page|previous_page) is not described": "paging is described once, for all lists",
        r"GET .*: query (per_page|sort_order) is not described": "the same",
        r"GET .*: query include is not described": "side-loading is described once, in prose",
        r"GET .*: 200 \.users is not described": "what was side-loaded",
        r"GET /api/v2/incremental/tickets/cursor: query start_time is missing": "only the first page has it",
        rf"{_TICKET}(assignee_id|group_id|via_followup_source_id|external_id|type|priority) fails .*": (
            "what a ticket does not have is null; the schema says so of few of its fields"
        ),
        rf"{_TICKET}generated_timestamp is not described": "only the prose about incremental exports has it",
        r"POST /api/v2/tickets: 201 \.audit is not described": "of updates it is described; creates answer alike",
        r"PUT /api/v2/tickets/\{ticket_id\}: 200 \.audit\.events\[\]\.(author_id|public) is not described": (
            "of an event the schema has what all kinds share; these are those of comments"
        ),
        r"POST /api/v2/tickets: body \.ticket\.requester is not described": "only prose has it, with name and email",
        r"POST /api/v2/tickets: body \.ticket\.priority fails enum .*": "sent on purpose, and refused",
        r"PUT /api/v2/(tickets/update_many|comment_redactions/\{\w+\}): body is not described": "only in prose",
        r"GET /api/v2/job_statuses/.*\.results(\[\]\.(details|error) is not described| fails oneOf)": (
            "of a result the schema has what succeeded; of failures the prose tells"
        ),
        r"DELETE /api/v2/deleted_users/\{\w+\}: 200 \.deleted_user.*": (
            "its example is a user whose data is still there; what stays of one nobody says, and we read none of it"
        ),
        r"GET /api/v2/users/\{id\}/tickets/requested: not described": "this part of the API is not in the description",
        r"(GET|POST) /api/v2/webhooks: not described": "webhooks have a description of their own",
        r"POST /oauth/tokens: not described": "OAuth has no description",
    },
    "jira": {
        r"GET /rest/api/3/issue/\{\w+\}: query fields fails type array": "its prose takes names with commas between",
        r"POST /rest/api/\{id\}/search/jql: not described": "this search came in 2024",
    },
    "slack": {
        r"GET /conversations\.history: query include_all_metadata is not described": "metadata came in 2022",
        r"POST /chat\.(postMessage|update): body \.metadata is not described": "metadata came in 2022",
        r".*: 200 \.messages?(\[\])?\.metadata is not described": "metadata came in 2022",
        r"GET /conversations\.(list|history|replies): 200 \.(response_metadata|has_more) is not described": (
            "paging by cursor is described once, in prose"
        ),
        r".*: 200 .*fails additionalProperties": "what is additional is named one by one, here",
        r"GET /conversations\.history: 200 \.messages\[\]\.edited is not described": "only prose tells of it",
        r"POST /chat\.update: 200 \.message\.(bot_id|edited|ts|type) is not described": "it answers the whole message",
        r"POST /chat\.delete: body \.ts is no number": "it would lose digits; everywhere else it is a string",
    },
}
"""A regular expression for what does not fit → why that is known to be right. One that matches nothing is removed."""


@pytest.mark.parametrize("vendor", TRAFFIC)
def test_traffic_fits_the_published_description(
    vendor: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def say(text: str) -> None:
        with capsys.disabled():
            sys.stdout.write(f"\n{vendor}: {text}\n")

    folder = Path(os.environ.get("SPECS") or "") / vendor
    if not os.environ.get("SPECS") or not folder.is_dir():
        say(f"nothing was compared: SPECS names no folder with {vendor}/*.json. It is published at {SOURCES[vendor]}")
        return
    exchanges = TRAFFIC[vendor](tmp_path)
    description = Description.read(folder, UNSPOKEN.get(vendor, frozenset()))
    assert len({(one.method, re.sub(r"\d+", "1", one.path)) for one in exchanges}) >= ENOUGH[vendor]
    problems = sorted({problem for one in exchanges for problem in description.problems(one)})
    waived = WAIVED[vendor]
    unknown = [one for one in problems if not any(re.fullmatch(pattern, one) for pattern in waived)]
    assert not unknown, "\n" + "\n".join(unknown)
    stale = [pattern for pattern in waived if not any(re.fullmatch(pattern, one) for one in problems)]
    assert not stale, f"these waivers waive nothing: {stale}"
    say(f"{len(exchanges)} exchanges fit its description, but for {len(problems)} known differences")


THING = {"$ref": "#/components/schemas/Thing"}
SMALL = Description(
    {
        "paths": {
            "/things/{id}": {
                "parameters": [{"name": "id", "in": "path", "schema": {"type": "string"}}],
                "put": {
                    "parameters": [{"name": "page", "in": "query", "schema": {"type": "integer"}}],
                    "requestBody": {
                        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}}
                    },
                    "responses": {
                        "200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}}}
                    },
                },
            }
        },
        "components": {
            "schemas": {
                "Thing": {
                    "allOf": [
                        {"type": "object", "properties": {"id": {"type": "integer", "readOnly": True}}},
                        {
                            "type": "object",
                            "properties": {"name": {"type": "string", "nullable": True}, "size": {"enum": ["s", "l"]}},
                            "required": ["name"],
                        },
                    ]
                }
            }
        },
    }
)
GOOD = Exchange(
    method="PUT", path="/things/7", query={"page": "2"}, body={"name": None}, status=200, reply={"name": "x"}
)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, []),
        ({"reply": {"name": "x", "id": 7}}, []),
        ({"path": "/thing/7"}, ["PUT /thing/{id}: not described"]),
        ({"query": {"page": "two"}}, ["PUT /things/{id}: query page fails type integer"]),
        ({"query": {"pag": "2"}}, ["PUT /things/{id}: query pag is not described"]),
        ({"body": {"name": 3}}, ["PUT /things/{id}: body .name fails type string"]),
        ({"body": {"name": "x", "size": "m"}}, ["PUT /things/{id}: body .size fails enum ['s', 'l']"]),
        ({"body": {"nam": "x"}}, ["PUT /things/{id}: body .nam is not described", "fails required"]),
        ({"body": {"name": "x", "id": 7}}, ["PUT /things/{id}: body .id fails readOnly"]),
        ({"reply": {}}, ["PUT /things/{id}: 200  fails required ['name']"]),
        ({"status": 202}, ["PUT /things/{id}: 202 is not described"]),
    ],
)
def test_what_does_not_fit_is_seen(changes: dict[str, object], said: list[str]) -> None:
    found = list(SMALL.problems(replace(GOOD, **changes)))  # type: ignore[arg-type]  # fields of Exchange
    assert len(found) == len(said)
    assert all(any(words in one for one in found) for words in said), found
