"""Issues of GitHub: what is wanted, and where the repository's truth shows whether it is there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from connector.adapters.github import PROMISES, GitHub, Options
from connector.clock import VirtualClock
from connector.domain.model.intent import Intent, Json, WriteKind
from connector.ports import Writer
from connector.secret import Secret
from connector.simulator import github
from connector.simulator.parts import Fault, FaultKind
from connector.testing.effect import SECOND, Effect, Many, intent, later, nothing, word
from connector.testing.world import CALL_SECONDS, Stand, World
from connector.transport.kit import Kit
from tests.durability.effects import CHANGED, as_is, with_fields

ACCOUNT = "github:acme/shop"
ISSUE = "defect/1"


def repository(clock: VirtualClock) -> Stand:
    vendor = github.GitHub(clock)
    url = vendor.start()

    def connect(kit: Kit) -> Writer:
        options = Options(repository=github.REPOSITORY, token=Secret(github.TOKEN), base_url=url, timeout=CALL_SECONDS)
        return GitHub("tracker", options, kit)

    def hide(lag: object) -> None:
        vendor.list_lag = lag  # type: ignore[assignment]

    def token_works(works: bool) -> None:
        vendor.token_works = works

    def too_fast(match: str, seconds: int) -> Fault:
        return Fault(match=match, kind=FaultKind.THROTTLE, status=403, retry_after=seconds)

    return Stand(
        site=vendor.site,
        hide=hide,
        connect=connect,
        account=vendor,
        lag=5 * SECOND,
        revoke=partial(token_works, False),
        readmit=partial(token_works, True),
        too_fast=too_fast,
        secrets=(github.TOKEN,),
    )


def issue(account: str = ACCOUNT, **changes: Json) -> Intent:
    fields: dict[str, Json] = {
        "title": "Customers are unhappy about waiting",
        "body": "5 unhappy answers\n\n> nobody came",
        "labels": ["csat"],
        "state": "open",
    }
    return intent(account, WriteKind.ISSUE, "defect/d1", ISSUE, {**fields, **changes}, fold=True)


def retitled(account: str = ACCOUNT) -> Intent:
    return later(issue(account), {"title": "Critical: waiting"})


def state(value: str, account: str = ACCOUNT) -> Intent:
    return intent(account, WriteKind.ISSUE_STATE, f"defect/d1/{value}", ISSUE, {"state": value}, target=ISSUE)


def comment(account: str = ACCOUNT) -> Intent:
    fields: dict[str, Json] = {"text": "Now 10 unhappy answers"}
    key, name = "defect/d1/grew/10", f"{ISSUE}/grew/10"
    return intent(account, WriteKind.ISSUE_NOTE, key, name, fields, target=ISSUE, after=(ISSUE,))


def one_issue(number: int, account: str = ACCOUNT) -> Intent:
    fields: dict[str, Json] = {"title": "Customers are unhappy", "body": word(number), "labels": []}
    return intent(account, WriteKind.ISSUE, f"defect/n{number}", f"defect/{number + 100}", fields)


def one_comment(number: int, account: str = ACCOUNT) -> Intent:
    name = f"defect/{number + 100}"
    fields: dict[str, Json] = {"text": word(number)}
    return intent(account, WriteKind.ISSUE_NOTE, f"defect/n{number}/grew/6", f"{name}/grew/6", fields, target=name)


def one_closing(number: int, account: str = ACCOUNT) -> Intent:
    name = f"defect/{number + 100}"
    return intent(account, WriteKind.ISSUE_STATE, f"defect/n{number}/1", name, {"state": "closed"}, target=name)


def opened(world: World, *, account: str = ACCOUNT) -> None:
    """The issue is there, made by us."""
    world.plan([issue(account)])
    world.run()


def repositories_issues(world: World) -> github.GitHub:
    assert isinstance(world.stand.account, github.GitHub)
    return world.stand.account


def seed_many(world: World, count: int) -> None:
    for number in range(count):
        world.adopt(f"defect/{number + 100}", repositories_issues(world).human_issue(word(number)))


def delete_issue(world: World) -> None:
    repositories_issues(world).human_delete(world.remote_id(ISSUE))


def issues_held(world: World) -> list[Mapping[str, object]]:
    return [
        {"title": row["title"], "body": _said(row["body"]), "labels": row["labels"]}
        for row in world.held.get("issue", {}).values()
    ]


def closed_ones(world: World) -> list[Mapping[str, object]]:
    rows = world.held.get("issue", {}).values()
    return [{"closed": row["title"]} for row in rows if row["state"] == "closed"]


def comments_held(world: World) -> list[Mapping[str, object]]:
    rows = world.held.get("issue", {}).values()
    return [{"comment": _said(comment["body"])} for row in rows for comment in row["comments"]]


def _said(body: object) -> str:
    """The text without our marker."""
    return str(body or "").rpartition("\n\n<!--")[0]


BODY = "5 unhappy answers\n\n> nobody came"
_ISSUE = Effect(
    kind=WriteKind.ISSUE,
    page="github",
    promise=PROMISES[WriteKind.ISSUE],
    vendor=repository,
    seed=nothing,
    wanted=[issue()],
    calls="POST /repos/acme/shop/issues",
    held=issues_held,
    expected=[{"title": "Customers are unhappy about waiting", "body": BODY, "labels": ["csat-connector", "csat"]}],
    many=Many(seed=as_is, make=one_issue, refuse=with_fields(title=" "), named="title"),
)
GITHUB: Mapping[str, Effect] = {
    "issue": _ISSUE,
    "issue retitled": replace(
        _ISSUE,
        seed=opened,
        only=CHANGED,
        many=None,
        wanted=[retitled()],
        calls="PATCH /repos/acme/shop/issues/*",
        expected=[{"title": "Critical: waiting", "body": BODY, "labels": ["csat-connector", "csat"]}],
        newer=[replace(later(issue(), {"title": "High: waiting"}, 3), key=f"{ACCOUNT}/defect/d1/high")],
        changed=[{"title": "High: waiting", "body": BODY, "labels": ["csat-connector", "csat"]}],
    ),
    "issue_state": replace(
        _ISSUE,
        kind=WriteKind.ISSUE_STATE,
        promise=PROMISES[WriteKind.ISSUE_STATE],
        seed=opened,
        many=Many(seed=seed_many, make=one_closing, refuse=with_fields(state="nope"), named="state"),
        delete=delete_issue,
        wanted=[state("closed")],
        calls="PATCH /repos/acme/shop/issues/*",
        held=closed_ones,
        expected=[{"closed": "Customers are unhappy about waiting"}],
        newer=[later(state("closed"), {"state": "open"})],
        changed=[],
    ),
    "issue_note": replace(
        _ISSUE,
        kind=WriteKind.ISSUE_NOTE,
        promise=PROMISES[WriteKind.ISSUE_NOTE],
        seed=opened,
        many=Many(seed=seed_many, make=one_comment),
        delete=delete_issue,
        wanted=[comment()],
        calls="POST /repos/acme/shop/issues/*/comments",
        held=comments_held,
        expected=[{"comment": "Now 10 unhappy answers"}],
    ),
}
