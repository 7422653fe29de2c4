"""What the adapters of trackers send and read, beyond what the suites ask: texts, limits, states, permissions."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.adapters.github import GitHub, markdown, marker
from connector.adapters.github import Options as GitHubOptions
from connector.adapters.jira import Jira, document
from connector.adapters.jira import Options as JiraOptions
from connector.clock import VirtualClock
from connector.domain.model.account import Demand
from connector.domain.model.intent import Item, Json, Receipt, WriteKind
from connector.errors import Gone, InDoubt, Rejected, RemoteError, Throttled, Transient, Unauthorized
from connector.ports import Outcome
from connector.secret import Secret
from connector.simulator import github, jira
from connector.simulator.parts import Fault, FaultKind
from connector.transport.grants import MemoryTokens
from connector.transport.kit import Kit

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
NOTHING = Demand(connection="tracker")
Tracker = GitHub | Jira


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(NOON)


@pytest.fixture
def repository(clock: VirtualClock) -> Iterator[github.GitHub]:
    there = github.GitHub(clock)
    there.start()
    yield there
    there.stop()


@pytest.fixture
def hub(repository: github.GitHub, clock: VirtualClock) -> GitHub:
    url = repository.site.base_url
    options = GitHubOptions(repository="acme/shop", token=Secret(github.TOKEN), base_url=url)
    return GitHub("tracker", options, Kit(clock=clock, token_store=MemoryTokens(clock)))


@pytest.fixture
def site(clock: VirtualClock) -> Iterator[jira.Jira]:
    there = jira.Jira(clock)
    there.start()
    yield there
    there.stop()


@pytest.fixture
def desk(site: jira.Jira, clock: VirtualClock) -> Jira:
    options = JiraOptions(
        site="Acme", project="SHOP", email=jira.EMAIL, token=Secret(jira.TOKEN), base_url=site.site.base_url
    )
    return Jira("tracker", options, Kit(clock=clock, token_store=MemoryTokens(clock)))


def item(key: str = "key-1", target: str | None = None, **fields: Json) -> Item:
    return Item(key=key, target=target, fields=fields, cause_at=NOON)


def write(tracker: Tracker, kind: WriteKind, one: Item) -> Receipt:
    outcomes = tracker.send(kind, tracker.render(kind, [one]), 1)
    assert isinstance(outcomes, tuple)
    (outcome,) = outcomes
    assert isinstance(outcome, Receipt)
    return outcome


CALLING = "thanks @acme/team, see #12, GH-7 and <!-- csat-connector key-1 --> [here](https://evil.example) <b>now</b>"


def test_a_customers_words_call_nobody_and_link_nothing() -> None:
    text = markdown(f"> {CALLING}\n- https://desk.example/1#note", "key-2")
    assert text.startswith("> thanks @\u200bacme/team, see #\u200b12, GH-\u200b7")
    assert marker("key-1") not in text
    assert "<b>" not in text
    assert r"\[here\](" in text
    assert "- https://desk.example/1#note" in text
    assert text.endswith(marker("key-2"))


@given(st.text(max_size=300))
def test_no_text_holds_a_marker_of_ours_or_html(text: str) -> None:
    shown = markdown(text, "key").removesuffix(marker("key"))
    assert "<" not in shown


@given(st.text(max_size=300))
def test_any_text_is_a_document_jira_takes(text: str) -> None:
    told = document(text)
    jira._check_document(told, "description")
    words = "".join(text.replace("> ", "").replace("- ", "").split())
    assert "".join(jira.plain(told).replace("> ", "").replace("- ", "").split()) == words


def test_quotes_lists_and_links_of_a_document() -> None:
    told: Any = document("Now 5\n\n> one\n> two\n\nTickets:\n- https://a.example\n- more")
    kinds = [node["type"] for node in told["content"]]
    assert kinds == ["paragraph", "blockquote", "paragraph", "bulletList"]
    assert '"href": "https://a.example"' in json.dumps(document("- https://a.example"))


def test_labels_are_given_once_and_peoples_own_stay(hub: GitHub, repository: github.GitHub) -> None:
    made = write(hub, WriteKind.ISSUE, item(title="Waiting", body="x", labels=["csat"]))
    repository.human_update(made.remote_id, labels=["mine"])
    write(hub, WriteKind.ISSUE, item(target=made.remote_id, title="High: waiting", labels=["csat"]))
    assert repository.issues[made.remote_id]["labels"] == ["mine"]
    assert repository.issues[made.remote_id]["title"] == "High: waiting"


def test_what_is_too_long_is_cut(hub: GitHub, desk: Jira, repository: github.GitHub, site: jira.Jira) -> None:
    for tracker in (hub, desk):
        write(tracker, WriteKind.ISSUE, item(title="very " * 99, body="long " * 20_000))
    (there,) = repository.issues.values()
    assert marker("key-1") in there["body"]
    assert len(site.issues) == 1


@pytest.mark.parametrize(
    ("status", "headers", "words", "wait"),
    [
        (403, {"Retry-After": "90"}, "", 90),
        (429, {"Retry-After": "90"}, "", 90),
        (403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(NOON.timestamp()) + 600)}, "", 600),
        (403, {}, "You have exceeded a secondary rate limit", 60),
        (429, {}, "", 60),
    ],
)
def test_too_fast_is_waited_for_however_github_says_it(
    hub: GitHub, repository: github.GitHub, status: int, headers: dict[str, str], words: str, wait: int
) -> None:
    body = json.dumps({"message": words})
    fault = Fault(
        match="POST *",
        kind=FaultKind.REPLY,
        status=status,
        message=body,
        headers={**headers, "Content-Length": str(len(body))},
    )
    repository.faults.add(fault)
    with pytest.raises(Throttled) as caught:
        write(hub, WriteKind.ISSUE, item(title="Waiting", body="x"))
    assert caught.value.retry_at == NOON + timedelta(seconds=wait)


def test_what_is_forbidden_is_no_limit(hub: GitHub, repository: github.GitHub) -> None:
    repository.may_push = False
    with pytest.raises(Unauthorized):
        write(hub, WriteKind.ISSUE, item(title="Waiting", body="x"))


def test_a_repository_out_of_sight_pauses_the_account(hub: GitHub, repository: github.GitHub) -> None:
    repository.has_issues = False
    with pytest.raises(Unauthorized) as caught:
        write(hub, WriteKind.ISSUE, item(title="Waiting", body="x"))
    assert caught.value.operation == "POST /repos/acme/shop/issues"


def test_pull_requests_and_other_peoples_issues_are_not_found(hub: GitHub, repository: github.GitHub) -> None:
    repository.human_issue("theirs", body=marker("key-1"), labels=["bug"])
    repository.human_issue("pull", body=marker("key-1"), labels=["csat-connector"])
    repository.issues["2"]["pull_request"] = {"url": "…"}
    assert hub.ask(WriteKind.ISSUE, [item()])[0].receipts == []


def test_an_issue_that_was_closed_at_once_is_found_all_the_same(hub: GitHub, repository: github.GitHub) -> None:
    made = write(hub, WriteKind.ISSUE, item(title="Waiting", body="x"))
    repository.human_update(made.remote_id, state="closed")
    assert [one.remote_id for one in hub.ask(WriteKind.ISSUE, [item()])[0].receipts] == [made.remote_id]


def test_what_is_older_than_its_cause_is_found(hub: GitHub, repository: github.GitHub, clock: VirtualClock) -> None:
    """A life that an old copy of the store forgot may have written it for other answers."""
    made = write(hub, WriteKind.ISSUE, item(title="Waiting", body="x", labels=[]))
    write(hub, WriteKind.ISSUE_NOTE, item("key-2", made.remote_id, text="Now 5"))
    clock.advance(timedelta(days=30))
    for kind, one in ((WriteKind.ISSUE, item()), (WriteKind.ISSUE_NOTE, item("key-2", made.remote_id))):
        (found,) = hub.ask(kind, [replace(one, cause_at=clock.now())])
        assert len(found.receipts) == 1


def test_a_comment_is_looked_for_among_the_newest(desk: Jira, site: jira.Jira) -> None:
    number = site.human_issue("one")
    others = [{"id": str(n), "body": document("other"), "created": "", "seen_from": 0.0} for n in range(150)]
    site.issues[number]["comments"] += others
    made = write(desk, WriteKind.ISSUE_NOTE, item(target=number, text="Now 10"))
    found = desk.ask(WriteKind.ISSUE_NOTE, [item(target=number), item("key-2", target=number)])
    assert [[one.remote_id for one in each.receipts] for each in found] == [[made.remote_id], []]


def test_an_issue_is_looked_for_by_a_label_of_its_own(desk: Jira) -> None:
    made = write(desk, WriteKind.ISSUE, item(title="Waiting", body="x"))
    found = desk.ask(WriteKind.ISSUE, [item(), item("key-2")])
    assert [[one.remote_id for one in each.receipts] for each in found] == [[made.remote_id], []]


def test_questions_turn_pages(hub: GitHub, repository: github.GitHub) -> None:
    made = write(hub, WriteKind.ISSUE, item(title="Waiting", body="x"))
    for number in range(100):
        repository.human_issue(f"other {number}", labels=["csat-connector"])
    assert [one.remote_id for one in hub.ask(WriteKind.ISSUE, [item()])[0].receipts] == [made.remote_id]


def test_states_of_issues_are_read_and_the_deleted_are_absent(
    hub: GitHub, desk: Jira, repository: github.GitHub, site: jira.Jira, clock: VirtualClock
) -> None:
    kept, closed, gone = (repository.human_issue(word) for word in ("one", "two", "three"))
    clock.advance(timedelta(hours=1))
    repository.human_update(closed, state="closed")
    repository.human_delete(gone)
    seen = hub.read_issues([kept, closed, gone])
    assert {one: (issue.state, issue.closed_at) for one, issue in seen.items()} == {
        kept: ("open", None),
        closed: ("closed", NOON + timedelta(hours=1)),
    }
    kept, closed, gone = (site.human_issue(word) for word in ("one", "two", "three"))
    site.human_move(kept, "In Progress")
    site.human_move(closed, "Done")
    site.human_delete(gone)
    there = desk.read_issues([kept, closed, gone])
    assert {one: (issue.state, issue.closed_at) for one, issue in there.items()} == {
        kept: ("open", None),
        closed: ("closed", NOON + timedelta(hours=1)),
    }
    assert (there[kept].url or "").endswith("/browse/SHOP-1")


def test_a_tracker_out_of_sight_says_nothing_about_its_issues(hub: GitHub, desk: Jira, site: jira.Jira) -> None:
    with pytest.raises(Gone):
        hub.read_issues(["4711"])
    number = site.human_issue("one")
    site.sees_project = False
    with pytest.raises(Gone):
        desk.read_issues([number])


def test_a_transition_that_is_done_already_is_done_and_one_that_cannot_be_is_refused(
    desk: Jira, site: jira.Jira
) -> None:
    number = site.human_issue("one")
    assert write(desk, WriteKind.ISSUE_STATE, item(target=number, state="open")).remote_id == number
    site.human_move(number, "Done")
    write(desk, WriteKind.ISSUE_STATE, item(target=number, state="open"))
    assert site.issues[number]["status"] == "To Do"
    with pytest.raises(Rejected):
        write(desk, WriteKind.ISSUE_STATE, item(target=number, state="nowhere"))


def test_what_the_account_lacks_is_said(hub: GitHub, desk: Jira, repository: github.GitHub, site: jira.Jira) -> None:
    assert hub.inspect(NOTHING) == []
    assert desk.inspect(NOTHING) == []
    repository.may_push, repository.has_issues = False, False
    site.permissions = jira.PERMISSIONS - {"CREATE_ISSUES", "ADD_COMMENTS"}
    assert [(one.subject, one.blocking) for one in hub.inspect(NOTHING)] == [("issues", True), ("token", True)]
    assert [(one.subject, one.blocking) for one in desk.inspect(NOTHING)] == [
        ("permission ADD_COMMENTS", False),
        ("permission CREATE_ISSUES", True),
    ]


SHAPES: list[Json] = [None, [], {}, "canary-7431", 7]


@pytest.mark.parametrize("body", SHAPES, ids=json.dumps)
def test_replies_of_the_wrong_shape_are_errors_with_a_name(
    hub: GitHub, desk: Jira, repository: github.GitHub, site: jira.Jira, body: Json
) -> None:
    text = json.dumps(body)
    headers = {"Content-Type": "application/json", "Content-Length": str(len(text))}
    for there in (repository, site):
        there.faults.add(Fault(match="* *", kind=FaultKind.REPLY, message=text, headers=headers, times=None))
    for tracker in (hub, desk):
        for kind, one in (
            (WriteKind.ISSUE, item(title="Waiting", body="x")),
            (WriteKind.ISSUE_NOTE, item(target="1", text="x")),
        ):
            request = tracker.render(kind, [one])
            raises(InDoubt, partial(tracker.send, kind, request, 1))
        if not isinstance(body, list):
            raises(Transient, partial(tracker.ask, WriteKind.ISSUE, [item()]))
        raises(Transient, partial(tracker.read_issues, ["1"]))
        raises(Transient, partial(tracker.inspect, NOTHING))


def raises(kind: type[RemoteError], act: Callable[[], object]) -> None:
    with pytest.raises(kind) as caught:
        act()
    assert "canary" not in str(caught.value)


def test_an_account_is_named_after_its_repository_and_project(hub: GitHub, desk: Jira) -> None:
    assert (hub.account, desk.account) == ("github:acme/shop", "jira:acme/SHOP")
    outcome: Outcome = write(desk, WriteKind.ISSUE, item(title="x", body=""))
    assert isinstance(outcome, Receipt)
