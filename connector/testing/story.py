"""One recovery, from the answer to the word that it is well: four days in a minute (`connector demo --story`).

A real daemon, the vendors' stand-ins and this module live by one clock (`SharedClock`), which is moved from beat to
beat. After each beat the stand-ins must hold what the story says; it stops where they do not.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from connector.clock import SharedClock
from connector.domain.model.recovery import Recovery, Stage
from connector.errors import ConnectorError
from connector.simulator.smtp import PASSWORD, USER, Smtp
from connector.simulator.suite import Simulators
from connector.store import recoveries, steps
from connector.testing.rehearsal import Rehearsal

ZONE: Final = ZoneInfo("Europe/Berlin")
BEGINS: Final = datetime(2026, 11, 27, 8, 50, tzinfo=UTC)
"""A Friday, 09:50 in Berlin."""
LATE: Final = BEGINS + timedelta(minutes=30)
LATER: Final = BEGINS + timedelta(hours=1)
TAKEN: Final = BEGINS + timedelta(hours=1, minutes=15)
CALLED: Final = BEGINS + timedelta(days=1, minutes=15)
SOLVED: Final = CALLED + timedelta(minutes=35)
ASKED: Final = SOLVED + timedelta(days=2, minutes=5)
ANSWERED: Final = ASKED + timedelta(hours=3)
PATIENCE: Final = 40.0
"""Seconds in which the daemon does what a beat leads to."""
CAUSE, ACTION = 360002, 360003
_MAIL: Final = """\
  mail: {kind: smtp, host: 127.0.0.1, port: %d, security: none, user: %s, password: "%s", from: %s}
"""
_SURVEY: Final = """\
  well: {from: typeform, forms: [rT5uV2], mapping: mappings/surveys/typeform-follow-up.yaml}
"""
_PLAYBOOK: Final = """\
playbooks:
  service-recovery:
    calendar: desk
    owner: {by: "{{ staff.team_leader }}"}
    close:
      needs: [root_cause, action_taken]
      root_causes: [parts, waiting time, workmanship]
      root_cause_field: custom_field_360002
      action_field: custom_field_360003
    steps:
      - ticket:
          connection: zendesk
          group: Service Recovery
          status: High Priority - Service Recovery Required
          priority: {critical: urgent, high: high, normal: normal}
          due: 4h
      - notify:
          connection: mail
          channel: "{{ staff.team_leader }}"
          text: |
            {{ staff.name }} had a customer who gave {{ rating }} of {{ scale.max }}: {{ ticket.url }}

            Say it in your own words: we are sorry; this is what we found went wrong: …; this is what we do about it: …
      - expect:
          name: supervisor review
          who: a supervisor
          within: 30m
          until: {assigned: true}
          late:
            - notify: {connection: slack, channel: "#csat-leads", text: "{{ step.name }} is late: {{ ticket.url }}"}
            - after: 30m
              severity: high
              owner: "{{ place.manager_email }}"
              notify:
                connection: mail
                channel: "{{ place.manager_email }}"
                text: "Nobody looked for an hour: {{ ticket.url }}"
      - task: {name: call the customer, connection: salesforce, due: 48h, hours: all}
    follow_up:
      connection: mail
      after: 2d
      survey: "https://acme.typeform.com/to/rT5uV2#recovery={{ message.reference }}"
      subject: Is it well now?
      text: "${file:mappings/messages/follow_up.txt}"

"""


def rewritten(text: str, mail_port: int) -> str:
    """The example configuration with the story's playbook, its mail server and the form that follows."""
    text = text.replace("\nsurveys:\n", f"\n{_MAIL % (mail_port, USER, PASSWORD, USER)}\nsurveys:\n{_SURVEY}", 1)
    found = re.subn(r"^playbooks:\n(?:[ #].*\n|\n)+(?=^[a-z])", lambda _: _PLAYBOOK, text, flags=re.MULTILINE)
    if found[1] != 1:
        raise ValueError("the example configuration has no playbooks")
    return found[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """What happened at an instant of the story, and what could be seen of it in the systems."""

    at: datetime
    what: str
    seen: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.at.astimezone(ZONE):%a %d %b %H:%M}  {self.what}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """Plays it. Raises ConnectorError when the systems do not hold what the story says."""

    stage: Rehearsal
    simulators: Simulators
    mail: Smtp
    clock: SharedClock

    def play(self) -> Iterator[Beat]:
        """The beats, in order."""
        contact = self.simulators.salesforce.add_contact(
            FirstName="Ada", LastName="Abend", Email="ada@example.org", Last_Service__c="2026-11-25"
        )
        self.simulators.zendesk.desk.fields |= {CAUSE: "Root cause", ACTION: "What was done"}
        yield self._complains(contact)
        yield self._nobody_looks()
        yield self._an_hour()
        yield self._is_assigned()
        yield self._is_called()
        yield self._is_solved()
        yield self._is_asked()
        yield self._is_well(contact)

    def _complains(self, contact: str) -> Beat:
        self._answer("aB3dE9", "ada-1", 1, "Terrible. The brakes still squeak and nobody called me back.")
        ticket = self._wait("a ticket", lambda: self._tickets()[0] if self._tickets() else None)
        task = self._wait("a task", self._task)
        told = self._wait("a mail to the team leader", lambda: self._mail_to("tara.lead@example.com"))
        score = self._wait("a score", lambda: self._contact(contact).get("CSAT_Health__c"))
        seen = (
            f"Zendesk ticket {ticket['id']}: {self._status(ticket)}, priority {ticket['priority']}",
            f"Salesforce task: {task['Subject']}, due {task['ActivityDate']}",
            f"mail to tara.lead@example.com: {told['text'].splitlines()[0]}",
            f"Salesforce contact: health score {score:g}, {self._contact(contact)['CSAT_Band__c']}",
        )
        return _beat(BEGINS, "Ada Abend answers 1 of 5", *seen)

    def _nobody_looks(self) -> Beat:
        self._come_to(LATE)
        said = self._wait("a message to the leads", lambda: self._said("csat-leads"))
        return _beat(LATE, "half an hour, and nobody has looked", f"Slack #csat-leads: {said}")

    def _an_hour(self) -> Beat:
        self._come_to(LATER)
        said = self._wait("a mail to the manager", lambda: self._mail_to("nora.nord@example.com"))
        self._wait("a higher priority", lambda: self._tickets()[0]["priority"] == "high")
        seen = (
            f"mail to nora.nord@example.com: {said['text'].splitlines()[0]}",
            f"the recovery: severity {self._recovery().severity.value}, owner {self._recovery().owner}",
            f"Zendesk ticket: priority {self._tickets()[0]['priority']}",
        )
        return _beat(LATER, "an hour", *seen)

    def _is_assigned(self) -> Beat:
        self._come_to(TAKEN)
        self._agent(assignee_id=1002)
        stage = self._until_stage(Stage.IN_PROGRESS)
        return _beat(TAKEN, "a supervisor takes the ticket", f"the recovery: {stage}, the review is done, late")

    def _is_called(self) -> Beat:
        self._come_to(CALLED)
        task = self._task()
        assert task is not None
        self.simulators.salesforce.human_update(task["Id"], Status="Completed")
        self._pass(timedelta(minutes=6))
        self._wait("the task to be seen", lambda: self._steps_open() == 0)
        return _beat(CALLED, "a success manager has called her", "the recovery waits for nothing any more")

    def _is_solved(self) -> Beat:
        self._come_to(SOLVED)
        fields = [{"id": CAUSE, "value": "workmanship"}, {"id": ACTION, "value": "new pads, no charge"}]
        self._agent(status="solved", custom_fields=fields)
        stage = self._until_stage(Stage.ENDED)
        known = self._recovery()
        return _beat(SOLVED, "the ticket is solved", f"the recovery: {stage}, root cause {known.root_cause}")

    def _is_asked(self) -> Beat:
        self._come_to(ASKED)
        mail = self._wait("the survey", lambda: self._mail_to("ada@example.org"))
        link = next(line for line in mail["text"].splitlines() if line.startswith("https://"))
        shown = f"{link.partition('=')[0]}=…"
        return _beat(ASKED, "two days later she is asked", f"mail to ada@example.org: {mail['subject']} {shown}")

    def _is_well(self, contact: str) -> Beat:
        self._come_to(ANSWERED)
        mail = self._mail_to("ada@example.org")
        assert mail is not None
        reference = re.search(r"recovery=(\S+)", mail["text"])
        assert reference is not None
        before = self._contact(contact)["CSAT_Health__c"]
        self._answer("rT5uV2", "ada-2", 5, "Yes, thank you.", recovery=reference[1])
        stage = self._until_stage(Stage.WON_BACK)
        score = self._wait("a better score", lambda: self._better(contact, before))
        seen = (
            f"the recovery: {stage}",
            f"Salesforce contact: health score {before:g} → {score:g}",
            f"in all: {len(self._tickets())} ticket, {len(self._tasks())} task, {len(self.mail.mails)} mails",
        )
        return _beat(ANSWERED, "she answers 5 of 5", *seen)

    def _come_to(self, at: datetime) -> None:
        """Let time pass until then."""
        self._pass(at - self.clock.now())

    def _pass(self, left: timedelta) -> None:
        """Let time pass, some hours at a stretch, so that what is due meanwhile is done meanwhile."""
        while left > timedelta(0):
            step = min(left, timedelta(hours=6))
            self.clock.advance(step)
            left -= step
            self.stage.pause(0.3)

    def _wait(self, what: str, look: Callable[[], Any]) -> Any:
        """What `look` finds in the end. The feeds are read every minute: the clock goes on, slowly, meanwhile."""
        began = self.clock.monotonic()
        for _ in range(int(PATIENCE / 0.2)):
            found = look()
            if found:
                return found
            self.stage.pause(0.2)
            if self.clock.monotonic() - began > 3:
                self.clock.advance(timedelta(seconds=5))
        raise ConnectorError(f"the story expects {what}, and the systems do not hold it")

    def _until_stage(self, stage: Stage) -> str:
        self._wait(f"a recovery that is {stage.value}", lambda: self._recovery().stage is stage)
        return stage.value.replace("_", " ")

    def _answer(self, form: str, token: str, rating: int, text: str, **hidden: str) -> None:
        known = hidden or {
            "order_id": "R-1042", "service": "brakes", "location": "Hamburg", "technician": "T-11", "name": "Ada Abend",
        }  # fmt: skip
        fields = {"csat": "opinion_scale", "why": "long_text", "mail": "email", "may_contact": "yes_no"}
        described = {ref: {"id": f"fld-{ref}", "ref": ref, "type": kind} for ref, kind in fields.items()}
        answers: list[Mapping[str, object]] = [
            {"type": "number", "number": rating, "field": described["csat"]},
            {"type": "text", "text": text, "field": described["why"]},
        ]
        if not hidden:
            answers.append({"type": "email", "email": "ada@example.org", "field": described["mail"]})
            answers.append({"type": "boolean", "boolean": True, "field": described["may_contact"]})
        at = f"{self.clock.now():%Y-%m-%dT%H:%M:%SZ}"
        body = {
            "event_id": f"ev-{token}",
            "event_type": "form_response",
            "form_response": {
                "form_id": form, "token": token, "landed_at": at, "submitted_at": at, "hidden": known,
                "definition": {"id": form, "title": "How did we do?", "fields": list(described.values())},
                "answers": answers,
            },
        }  # fmt: skip
        code = self.stage.deliver("typeform", json.dumps(body).encode())
        if code != 200:
            raise ConnectorError(f"the answer was not taken: HTTP {code}")

    def _agent(self, **fields: object) -> None:
        """Somebody works on the ticket; the helpdesk's feed leaves out its newest minute."""
        self.simulators.zendesk.human_update(self._tickets()[0]["id"], **fields)
        self._pass(timedelta(minutes=2))

    def _tickets(self) -> list[Mapping[str, Any]]:
        return list(self.simulators.zendesk.site.truth.kind("ticket").values())

    def _status(self, ticket: Mapping[str, Any]) -> str:
        statuses = self.simulators.zendesk.desk.statuses
        found = statuses.get(ticket.get("custom_status_id") or 0, {})
        return str(found.get("agent_label") or ticket["status"])

    def _task(self) -> Mapping[str, Any] | None:
        return next(iter(self._tasks()), None)

    def _tasks(self) -> list[Mapping[str, Any]]:
        """Without the answers on her timeline, which are tasks there, too."""
        rows = self.simulators.salesforce.site.truth.kind("Task").values()
        return [row for row in rows if str(row["Subject"]).startswith("Call back")]

    def ticket(self) -> str:
        """The ticket as the helpdesk holds it, as an agent reads it."""
        held, desk = self._tickets()[0], self.simulators.zendesk.desk
        notes = [f"{'public' if note['public'] else 'private'} note\n\n{note['body']}" for note in held["comments"]]
        facts = (
            f"status {self._status(held)} · priority {held['priority']} · group {desk.groups[held['group_id']]}",
            f"tags {', '.join(held['tags'])}",
        )
        return "\n".join([f"#{held['id']} {held['subject']}", *facts, "", *notes])

    def _contact(self, contact: str) -> Mapping[str, Any]:
        return self.simulators.salesforce.site.truth.kind("Contact")[contact]

    def _better(self, contact: str, before: float) -> float | None:
        now = self._contact(contact)["CSAT_Health__c"]
        return float(now) if now > before else None

    def _said(self, channel: str) -> str | None:
        messages = self.simulators.slack.site.truth.kind("message").values()
        return next((str(each["text"]) for each in messages if each["channel"] == channel), None)

    def _mail_to(self, address: str) -> Mapping[str, Any] | None:
        return next((mail for mail in self.mail.mails if mail["to"] == address), None)

    def _recovery(self) -> Recovery:
        with self.stage.db.read() as tx:
            found = recoveries.get(tx, 1)
        assert found is not None
        return found

    def _steps_open(self) -> int:
        with self.stage.db.read() as tx:
            return sum(row.is_open for row in steps.of(tx, 1))


def _beat(at: datetime, what: str, *seen: str) -> Beat:
    return Beat(at=at, what=what, seen=seen)
