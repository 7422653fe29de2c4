"""`check --live` against strict accounts: it finds what would go wrong, one fix each, and only ever reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from connector.adapters.registry import kinds
from connector.clock import SystemClock
from connector.config import Loaded, load
from connector.ports import Finding
from connector.simulator.parts import Fault, FaultKind
from connector.simulator.salesforce_fields import Field
from connector.simulator.suite import Simulators, start_all
from connector.simulator.typeform import SERVICE
from connector.simulator.typeform_site import Form
from connector.store import quotas
from connector.store.database import Database
from connector.wiring.inspection import Inspection, inspect
from tests.unit.samples import empty_store

EXAMPLE = Path(__file__).parents[2] / "config.example.yaml"
URL = "https://csat.example.com"
ON_CREATE = {"field": "update_type", "operator": "is", "value": "Create"}
MAIL = {"field": "notification_user", "value": ["requester_id", "We received it", "Hello"]}


@dataclass
class Rig:
    """Running accounts, a store, and ways to break things before looking."""

    simulators: Simulators
    db: Database
    environ: dict[str, str]

    def load(self) -> Loaded:
        return load(EXAMPLE, kinds(), self.environ)

    def look(self) -> Inspection:
        return inspect(self.load(), SystemClock(), self.db)

    def findings(self, connection: str) -> dict[str, Finding]:
        """By subject, of one connection."""
        (look,) = [one for one in self.look().looks if one.connection == connection]
        return {one.subject: one for one in look.findings}

    def field(self, name: str, **changes: Any) -> None:
        """Change a field of Contact in the org."""
        org = self.simulators.salesforce.org
        org.schemas["Contact"][name] = replace(org.schemas["Contact"][name], **changes)

    def form(self, **changes: Any) -> None:
        """Change the repair chain's form."""
        forms = self.simulators.typeform.account.forms
        forms[SERVICE.id] = replace(forms[SERVICE.id], **changes)

    def question(self, which: str, **changes: Any) -> None:
        present = self.simulators.typeform.account.forms[SERVICE.id].questions
        questions = tuple(replace(one, **changes) if one.ref == which else one for one in present)
        self.form(questions=questions)


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    clock = SystemClock()
    store = empty_store(tmp_path, clock)
    with start_all(clock) as simulators:
        simulators.typeform.account.pace(1000)
        environ = {**simulators.environment(), "CONNECTOR_KEY": "x" * 43, "CONNECTOR__PUBLIC_URL": URL}
        yield Rig(simulators, store, environ)
    store.close()


def test_accounts_that_have_everything_are_ready_and_nothing_was_written(rig: Rig) -> None:
    found = rig.look()
    assert found.blocking == 0
    assert {one.connection: [each.subject for each in one.findings] for one in found.looks} == {
        "typeform": ["form aB3dE9", "form xY7zQ1"],  # no webhook yet
        "inhouse": [],
        "salesforce": [],
        "zendesk": ["webhook"],
        "slack": [],
    }
    assert [one.connection for one in found.looks if not one.asked] == ["inhouse"]
    assert found.to_try[0].startswith(f"curl -i {URL}/healthz")
    sites = (rig.simulators.salesforce, rig.simulators.zendesk, rig.simulators.slack, rig.simulators.typeform)
    writes = [entry for each in sites for entry in each.site.requests.writes() if "token" not in entry.path]
    assert writes == []


def test_what_it_calls_is_spent_from_the_budgets_of_the_daemon(rig: Rig) -> None:
    rig.look()
    with rig.db.read() as tx:
        budget = quotas.of(tx, "salesforce:acme")["api"]
    assert budget.capacity == 100_000
    assert budget.remaining is not None
    assert budget.remaining < 100_000


def test_without_calls_left_an_account_is_not_asked(rig: Rig) -> None:
    now = SystemClock().now()
    with rig.db.write() as tx:
        quotas.block(tx, "salesforce:acme", "api", now + timedelta(hours=1))
    finding = rig.findings("salesforce")["limits"]
    assert finding.blocking
    assert "nothing is left of our share of api" in finding.message
    assert len(rig.simulators.salesforce.requests) == 0


def test_a_share_that_is_nearly_used_up_is_said(rig: Rig) -> None:
    rig.simulators.salesforce.daily.spend(SystemClock().now())
    rig.simulators.salesforce.daily._used = 49_999  # half of the day's calls is left to others
    finding = rig.findings("salesforce")["limit api"]
    assert finding.blocking
    assert finding.message == "0 of our 50000 calls are left"


@dataclass(frozen=True, kw_only=True)
class Case:
    """Something that is wrong, and the finding it must make. What can be wrong at once shares a `round`."""

    broken: Callable[[Rig], object]
    connection: str
    subject: str
    says: str
    fix: str
    blocking: bool = True
    round: int = 1


def drop(name: str, of: str = "Contact") -> Callable[[Rig], object]:
    return lambda rig: rig.simulators.salesforce.org.remove_field(of, name)


def trigger(*every: dict[str, str]) -> Callable[[Rig], object]:
    return lambda rig: rig.simulators.zendesk.admin.add_trigger("Thanks", {"all": list(every)}, [MAIL])


def survey(*every: dict[str, str]) -> Callable[[Rig], object]:
    offered = [{"field": "satisfaction_score", "value": "offered"}]
    return lambda rig: rig.simulators.zendesk.admin.add_automation("CSAT", {"all": list(every)}, offered)


def unscoped(*scopes: str) -> Callable[[Rig], object]:
    return lambda rig: setattr(rig.simulators.slack, "scopes", rig.simulators.slack.scopes - set(scopes))


def removed(rig: Rig) -> None:
    slack = rig.simulators.slack
    slack._facts[slack.channels["csat-ops"]]["is_member"] = False


def environment(name: str, value: str) -> Callable[[Rig], object]:
    return lambda rig: rig.environ.update({name: value})


CASES: dict[str, Case] = {
    "missing field": Case(
        broken=drop("CSAT_Health__c"),
        connection="salesforce",
        subject="Contact.CSAT_Health__c",
        says="no such field",
        fix="`connector setup --apply`",
    ),
    "field that may only be read": Case(
        broken=lambda rig: rig.field("CSAT_Band__c", writable=False),
        connection="salesforce",
        subject="Contact.CSAT_Band__c",
        says="may only read",
        fix="permission set",
        round=2,
    ),
    "wrong type": Case(
        broken=lambda rig: rig.field("CSAT_Health__c", type="string"),
        connection="salesforce",
        subject="Contact.CSAT_Health__c",
        says="writes a number; the field is of type string",
        fix="fitting type",
        round=2,
    ),
    "too few digits": Case(
        broken=lambda rig: rig.field("CSAT_Health__c", precision=4, scale=2),
        connection="salesforce",
        subject="Contact.CSAT_Health__c",
        says="writes up to 100; the field has 2 digits",
        fix="one more digit",
        round=3,
    ),
    "too short for a band": Case(
        broken=lambda rig: rig.field("CSAT_Band__c", length=6),
        connection="salesforce",
        subject="Contact.CSAT_Band__c",
        says="up to 8 characters; the field takes 6",
        fix="8 characters",
    ),
    "too short for a reason": Case(
        broken=lambda rig: rig.field("CSAT_Reason__c", length=80),
        connection="salesforce",
        subject="Contact.CSAT_Reason__c",
        says="up to 255 characters",
        fix="255",
    ),
    "picklist without our value": Case(
        broken=lambda rig: rig.field("LeadSource", restricted=True),
        connection="salesforce",
        subject="Contact.LeadSource",
        says="'Survey', which is no active value",
        fix="Other, Phone Inquiry, Web",
    ),
    "signal that cannot be read": Case(
        broken=drop("Last_Service__c"),
        connection="salesforce",
        subject="Contact.Last_Service__c",
        says="the health score reads it",
        fix="health_score.components",
        round=2,
    ),
    "no key on tasks": Case(
        broken=drop("CSAT_Key__c", of="Task"),
        connection="salesforce",
        subject="Task.CSAT_Key__c",
        says="without this key",
        fix="setup --apply",
        blocking=False,
    ),
    "wrong secret": Case(
        broken=environment("SALESFORCE_CLIENT_SECRET", "wrong"),
        connection="salesforce",
        subject="credentials",
        says="",
        fix="docs/vendors/salesforce.md",
        round=5,
    ),
    "trigger that mails": Case(
        broken=trigger(ON_CREATE),
        connection="zendesk",
        subject="trigger 'Thanks'",
        says="writes to the customer",
        fix="Tags contains none of csat-recovery",
    ),
    "trigger that may mail": Case(
        broken=trigger(ON_CREATE, {"field": "priority", "operator": "is", "value": "urgent"}),
        connection="zendesk",
        subject="trigger 'Thanks'",
        says="may write to the customer",
        fix="Tags contains none of csat-recovery",
        blocking=False,
        round=2,
    ),
    "survey of a recovery": Case(
        broken=survey({"field": "SOLVED", "operator": "is", "value": "24"}),
        connection="zendesk",
        subject="automation 'CSAT'",
        says="surveys the customer",
        fix="Tags contains none of csat-no-survey",
    ),
    "no status": Case(
        broken=lambda rig: rig.simulators.zendesk.desk.statuses.pop(305),
        connection="zendesk",
        subject="status 'High Priority - Service Recovery Required'",
        says="stand in for it",
        fix="setup --apply",
        blocking=False,
    ),
    "no group": Case(
        broken=lambda rig: rig.simulators.zendesk.desk.groups.pop(502),
        connection="zendesk",
        subject="group 'Service Recovery'",
        says="no such group",
        fix="Groups › Create group",
        blocking=False,
    ),
    "no right to post": Case(
        broken=unscoped("chat:write"),
        connection="slack",
        subject="scope chat:write",
        says="it can post nothing",
        fix="Bot Token Scopes: add chat:write",
    ),
    "no right to read back": Case(
        broken=unscoped("channels:history"),
        connection="slack",
        subject="scope channels:history",
        says="cannot be looked for",
        fix="channels:history",
        blocking=False,
    ),
    "no channel": Case(
        broken=lambda rig: rig.simulators.slack._facts.pop(rig.simulators.slack.channels["csat-safety"]),
        connection="slack",
        subject="#csat-safety",
        says="sees no such channel",
        fix="/invite @csat",
    ),
    "not invited": Case(
        broken=removed,
        connection="slack",
        subject="#csat-ops",
        says="is not in it",
        fix="/invite @csat",
    ),
    "no form": Case(
        broken=lambda rig: rig.simulators.typeform.account.forms.pop(SERVICE.id),
        connection="typeform",
        subject="form aB3dE9",
        says="no such form",
        fix="surveys.service.forms",
        round=4,
    ),
    "other scale": Case(
        broken=lambda rig: rig.question("csat", steps=11, start_at_one=False),
        connection="typeform",
        subject="form aB3dE9, answers.csat",
        says="from 0 to 10, the mapping says 1 to 5",
        fix="`scale: 0-10`",
        round=1,
    ),
    "no rating question": Case(
        broken=lambda rig: rig.question("csat", ref="stars"),
        connection="typeform",
        subject="form aB3dE9, answers.csat",
        says="no rating would be read",
        fix="surveys.service",
        round=2,
    ),
    "rating that is none": Case(
        broken=lambda rig: rig.question("csat", type="short_text"),
        connection="typeform",
        subject="form aB3dE9, answers.csat",
        says="of type short_text, which is no scale",
        fix="another question",
        round=3,
    ),
    "no comment question": Case(
        broken=lambda rig: rig.question("why", ref="because"),
        connection="typeform",
        subject="form aB3dE9, answers.why",
        says="no question has this reference",
        fix="surveys.service",
        blocking=False,
    ),
    "no hidden field": Case(
        broken=lambda rig: rig.form(hidden=("inv",)),
        connection="typeform",
        subject="form aB3dE9, hidden.contact_id",
        says="never arrives",
        fix="Hidden fields",
        blocking=False,
    ),
    "no token": Case(
        broken=environment("TYPEFORM_TOKEN", ""),
        connection="typeform",
        subject="api_token",
        says="without one",
        fix="Personal tokens",
        blocking=False,
        round=6,
    ),
    "somebody else's token": Case(
        broken=environment("TYPEFORM_TOKEN", "tfp_other"),
        connection="typeform",
        subject="credentials",
        says="",
        fix="docs/vendors/typeform.md",
        round=5,
    ),
    "nobody there": Case(
        broken=environment("CONNECTOR__CONNECTIONS__ZENDESK__BASE_URL", "http://127.0.0.1:9"),
        connection="zendesk",
        subject="connection",
        says="no connection",
        fix="this machine may reach it",
        round=5,
    ),
}


@pytest.mark.parametrize("round_", sorted({case.round for case in CASES.values()}))
def test_what_would_go_wrong_is_found_with_its_fix(rig: Rig, round_: int) -> None:
    cases = {name: case for name, case in CASES.items() if case.round == round_}
    for case in cases.values():
        case.broken(rig)
    looks = {look.connection: look.findings for look in rig.look().looks}
    for name, case in cases.items():
        found = {one.subject: one for one in looks[case.connection]}
        assert case.subject in found, (name, looks[case.connection])
        finding = found[case.subject]
        assert case.says in finding.message, (name, finding)
        assert case.fix in finding.fix, (name, finding)
        assert finding.blocking is case.blocking, (name, finding)
    for findings in looks.values():
        order = [each.blocking for each in findings]
        assert order == sorted(order, reverse=True), "what stands in the way comes first"


@pytest.mark.parametrize(
    "harmless",
    [
        trigger(ON_CREATE, {"field": "current_tags", "operator": "not_includes", "value": "csat-recovery"}),
        trigger(ON_CREATE, {"field": "role", "operator": "is", "value": "end_user"}),
        survey({"field": "current_tags", "operator": "not_includes", "value": "vip csat-no-survey"}),
    ],
)
def test_a_rule_that_leaves_our_tickets_alone_is_no_finding(rig: Rig, harmless: Callable[[Rig], object]) -> None:
    harmless(rig)
    assert set(rig.findings("zendesk")) == {"webhook"}


def test_a_clock_that_is_wrong_is_said_once_and_one_vendors_clock_is_not_ours(rig: Rig) -> None:
    sites = [rig.simulators.salesforce.site, rig.simulators.zendesk.site, rig.simulators.slack.site]
    for site in sites:
        site.skew = timedelta(minutes=3)
    assert "this machine" not in {one.connection for one in rig.look().looks}, "Typeform's clock agrees with ours"
    rig.simulators.typeform.site.skew = timedelta(minutes=3)
    finding = rig.findings("this machine")["clock"]
    assert "s behind what the other systems say" in finding.message
    assert not finding.blocking


def test_a_vendor_that_says_too_fast_is_asked_again_when_it_allows(rig: Rig) -> None:
    fault = Fault(match="GET /api/v2/users/me", kind=FaultKind.THROTTLE, retry_after=1, times=1)
    rig.simulators.zendesk.faults.add(fault)
    assert set(rig.findings("zendesk")) == {"webhook"}


def test_a_webhook_whose_secret_we_do_not_have_is_found(rig: Rig) -> None:
    webhook = {
        "name": "CSAT Connector",
        "endpoint": f"{URL}/hooks/zendesk",
        "status": "active",
        "subscriptions": ["zen:event-type:ticket.status_changed"],
        "id": "01W",
    }
    rig.simulators.zendesk.admin.webhooks["01W"] = webhook
    assert rig.findings("zendesk") == {}
    rig.environ["ZENDESK_WEBHOOK_SECRET"] = "another"
    finding = rig.findings("zendesk")["webhook"]
    assert "signs with another secret" in finding.message
    assert "another" not in finding.fix


def test_fields_added_by_an_administrator_do_no_harm(rig: Rig) -> None:
    rig.simulators.salesforce.org.add_field("Contact", Field(name="Theirs__c", type="location"))
    rig.simulators.typeform.account.forms["zzz"] = Form(id="zzz", title="Another", questions=())
    assert rig.look().blocking == 0
