"""Issues of Jira: what is wanted, and where the project's truth shows whether it is there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from functools import partial

from connector.adapters.jira import PROMISES, Jira, Options
from connector.clock import VirtualClock
from connector.domain.model.intent import WriteKind
from connector.ports import Writer
from connector.secret import Secret
from connector.simulator import jira
from connector.testing.effect import Effect, Many, later, nothing, word
from connector.testing.world import CALL_SECONDS, Stand, World
from connector.transport.kit import Kit
from tests.durability import effects_github as issues
from tests.durability.effects import CHANGED, as_is, with_fields

ACCOUNT = "jira:acme/SHOP"


def project(clock: VirtualClock) -> Stand:
    vendor = jira.Jira(clock)
    url = vendor.start()

    def connect(kit: Kit) -> Writer:
        options = Options(
            site="acme",
            project=jira.PROJECT,
            email=jira.EMAIL,
            token=Secret(jira.TOKEN),
            base_url=url,
            timeout=CALL_SECONDS,
        )
        return Jira("tracker", options, kit)

    def hide(lag: timedelta) -> None:
        vendor.search_lag = lag
        vendor.comment_lag = min(lag, PROMISES[WriteKind.ISSUE_NOTE].lookup_lag)

    def token_works(works: bool) -> None:
        vendor.token_works = works

    return Stand(
        site=vendor.site,
        hide=hide,
        connect=connect,
        account=vendor,
        lag=timedelta(minutes=2),
        revoke=partial(token_works, False),
        readmit=partial(token_works, True),
        secrets=(jira.TOKEN,),
    )


def project_of(world: World) -> jira.Jira:
    assert isinstance(world.stand.account, jira.Jira)
    return world.stand.account


def seed_many(world: World, count: int) -> None:
    for number in range(count):
        world.adopt(f"defect/{number + 100}", project_of(world).human_issue(word(number)))


def delete_issue(world: World) -> None:
    project_of(world).human_delete(world.remote_id(issues.ISSUE))


def issues_held(world: World) -> list[Mapping[str, object]]:
    return [
        {
            "title": row["summary"],
            "body": jira.plain(row["description"]),
            "labels": [label for label in row["labels"] if not label.startswith("csat-") or label == "csat-connector"],
        }
        for row in world.held.get("issue", {}).values()
    ]


def closed_ones(world: World) -> list[Mapping[str, object]]:
    rows = world.held.get("issue", {}).values()
    return [{"closed": row["summary"]} for row in rows if row["status"] == "Done"]


def comments_held(world: World) -> list[Mapping[str, object]]:
    rows = world.held.get("issue", {}).values()
    return [{"comment": jira.plain(note["body"]).rpartition("\n")[0]} for row in rows for note in row["comments"]]


BODY = "5 unhappy answers\nnobody came"
LABELS = ["csat-connector", "csat"]
_ISSUE = Effect(
    kind=WriteKind.ISSUE,
    page="jira",
    promise=PROMISES[WriteKind.ISSUE],
    vendor=project,
    seed=nothing,
    wanted=[issues.issue(ACCOUNT)],
    calls="POST /rest/api/3/issue",
    held=issues_held,
    expected=[{"title": "Customers are unhappy about waiting", "body": BODY, "labels": LABELS}],
    many=Many(
        seed=as_is, make=partial(issues.one_issue, account=ACCOUNT), refuse=with_fields(title=" "), named="title"
    ),
)
JIRA: Mapping[str, Effect] = {
    "issue": _ISSUE,
    "issue retitled": replace(
        _ISSUE,
        seed=partial(issues.opened, account=ACCOUNT),
        only=CHANGED,
        many=None,
        wanted=[issues.retitled(ACCOUNT)],
        calls="PUT /rest/api/3/issue/*",
        expected=[{"title": "Critical: waiting", "body": BODY, "labels": LABELS}],
        newer=[replace(later(issues.issue(ACCOUNT), {"title": "High: waiting"}, 3), key=f"{ACCOUNT}/defect/d1/high")],
        changed=[{"title": "High: waiting", "body": BODY, "labels": LABELS}],
    ),
    "issue_state": replace(
        _ISSUE,
        kind=WriteKind.ISSUE_STATE,
        promise=PROMISES[WriteKind.ISSUE_STATE],
        seed=partial(issues.opened, account=ACCOUNT),
        many=Many(
            seed=seed_many,
            make=partial(issues.one_closing, account=ACCOUNT),
            refuse=with_fields(state="nope"),
            named="state",
        ),
        delete=delete_issue,
        wanted=[issues.state("closed", ACCOUNT)],
        calls="POST /rest/api/3/issue/*/transitions",
        held=closed_ones,
        expected=[{"closed": "Customers are unhappy about waiting"}],
        newer=[later(issues.state("closed", ACCOUNT), {"state": "open"})],
        changed=[],
    ),
    "issue_note": replace(
        _ISSUE,
        kind=WriteKind.ISSUE_NOTE,
        promise=PROMISES[WriteKind.ISSUE_NOTE],
        seed=partial(issues.opened, account=ACCOUNT),
        many=Many(seed=seed_many, make=partial(issues.one_comment, account=ACCOUNT)),
        delete=delete_issue,
        wanted=[issues.comment(ACCOUNT)],
        calls="POST /rest/api/3/issue/*/comment",
        held=comments_held,
        expected=[{"comment": "Now 10 unhappy answers"}],
    ),
}
