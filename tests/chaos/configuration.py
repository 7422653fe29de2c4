"""The shipped example configuration as programs use it, and what somebody changes in it meanwhile."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path

from connector.config import Loaded
from connector.simulator import github, hubspot, jira, salesforce, slack, smtp, typeform, workflow, zendesk
from connector.simulator.suite import INHOUSE_SECRET
from connector.testing.example import for_crm
from connector.wiring.opening import load_config
from tests.chaos.issued import CODES, FORMS

ROOT = Path(__file__).parents[2]
KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
PLACEHOLDER = "http://127.0.0.1:1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Extras:
    """What a program plays besides the example as it stands.

    `tracker`: github, jira or none; its lists show what is new after `lag`. `mail`: customers are written to;
    `follow_up`: and asked how it went; `night`: when nothing leaves, by the clock of Berlin; `quiet`: when people are
    told of nothing but danger.
    """

    tracker: str = ""
    lag: timedelta = timedelta(0)
    mail: bool = False
    follow_up: bool = False
    night: str = ""
    quiet: str = ""

    @property
    def any(self) -> bool:
        """Whether there is anything."""
        return bool(self.tracker or self.mail)


def polled(text: str) -> str:
    """The example configuration with its commented options switched on: polling, and an event to another program."""
    text = text.replace("    # poll: 5m  ", "    poll: 5m    ")
    for name in ("zapier", "  kind: workflow", '  url: "${ZAPIER', '  secret: "${ZAPIER'):
        text = text.replace(f"#  {name}", f"  {name}", 1)
    return text.replace("#      - start: ", "      - start: ", 1)


_TRACKERS = {
    "github": """\
  github:
    kind: github
    repository: acme/shop
    token: "${GITHUB_TOKEN}"
""",
    "jira": f"""\
  jira:
    kind: jira
    site: acme
    project: {jira.PROJECT}
    email: {jira.EMAIL}
    token: "${{JIRA_TOKEN}}"
""",
}
_DEFECTS = """
defects:
  - {tracker: %s, when: {answers: 3, people: 2, within: 14d}, grows_by: 1, severity: {high: 3}, labels: [csat]}
"""
_MAIL = f"""\
  mail:
    kind: smtp
    host: 127.0.0.1
    security: none
    user: {smtp.USER}
    password: "${{SMTP_PASSWORD}}"
    from: care@shop.example.com
"""
_MESSAGES = """\
      - message:
          connection: mail
          kind: apology
          subject: We are sorry
          text: "We are sorry about {{ interaction.service }}."
      - message:
          connection: mail
          kind: offer
          when: recovery.severity != "normal"
          after: 2m
          subject: For you
          text: "Because of {{ interaction.service }}: {{ message.code }}"
          codes: {file: codes.csv, one_per: 90d}
"""
_FOLLOW_UP = """\
    follow_up:
      connection: mail
      after: 3m
      survey: "https://acme.typeform.com/to/%s#recovery={{ message.reference }}"
      subject: Is it well now?
      text: "How is {{ interaction.service }} now? {{ message.link }}"
"""
_SURVEY = """\
  follow_up:
    from: typeform
    forms: [%s]
    mapping: mappings/surveys/typeform-follow-up.yaml
"""


HEARD_IN = "csat-desk"
_HEARD = f"""rules:
  - name: heard
    when: unhappy
    do:
      - notify: {{connection: slack, channel: "#{HEARD_IN}", text: "{{{{ interaction.service }}}}: {{{{ comment }}}}"}}
"""


def extended(text: str, extras: Extras) -> str:
    """The configuration with what a program plays besides, in the places where the example has it commented out."""
    if extras.tracker:
        text = text.replace("connections:\n", f"connections:\n{_TRACKERS[extras.tracker]}", 1)
        text += _DEFECTS % extras.tracker
    if extras.mail:
        begin, end = text.index("#      - message:"), text.index("#    follow_up:")
        text = text[:begin] + _MESSAGES + text[end:]
        text = text.replace("connections:\n", f"connections:\n{_MAIL}", 1)
    if extras.follow_up:
        text = text.replace("#    follow_up:", f"{_FOLLOW_UP % FORMS['follow_up']}#    follow_up:", 1)
        text = text.replace("surveys:\n", f"surveys:\n{_SURVEY % FORMS['follow_up']}", 1)
    if extras.night:
        text += f'messages: {{night: "{extras.night}"}}\n'
    if extras.quiet:
        text = text.replace("notify_within: 4h}", f'notify_within: 4h, quiet: "{extras.quiet}"}}', 1)
        text = re.sub("^rules:.*\n", _HEARD, text, count=1, flags=re.MULTILINE)
    return text


@cache
def loaded_with(
    crm: str, mode: str, extras: Extras, rewrite: Callable[[str], str], remap: Callable[[str], str]
) -> Loaded:
    """The configuration with nobody's addresses in it; reading one takes as long as a whole program."""
    folder = Path(tempfile.mkdtemp(prefix="connector-chaos-"))
    shutil.copytree(ROOT / "mappings", folder / "mappings")
    fields = folder / "mappings" / "crm" / f"{crm}.yaml"
    fields.write_text(remap(fields.read_text()))
    file = folder / "connector.yaml"
    text = polled(for_crm((ROOT / "config.example.yaml").read_text(), crm))
    file.write_text(rewrite(extended(text, extras)))
    (folder / "codes.csv").write_text("\n".join(("code", *CODES)))
    environ = {
        "TYPEFORM_SECRET": typeform.SECRET,
        "TYPEFORM_TOKEN": typeform.TOKEN,
        "INHOUSE_SECRET": INHOUSE_SECRET,
        "SALESFORCE_CLIENT_ID": salesforce.CLIENT_ID,
        "SALESFORCE_CLIENT_SECRET": salesforce.CLIENT_SECRET,
        "HUBSPOT_TOKEN": hubspot.SERVICE_KEY,
        "ZENDESK_CLIENT_ID": zendesk.CLIENT_ID,
        "ZENDESK_CLIENT_SECRET": zendesk.CLIENT_SECRET,
        "ZENDESK_WEBHOOK_SECRET": zendesk.HOOK_SECRET,
        "SLACK_TOKEN": slack.TOKEN,
        "ZAPIER_URL": PLACEHOLDER,
        "ZAPIER_SECRET": workflow.SECRET,
        "GITHUB_TOKEN": github.TOKEN,
        "JIRA_TOKEN": jira.TOKEN,
        "SMTP_PASSWORD": smtp.PASSWORD,
        "CONNECTOR_KEY": KEY,
        "CONNECTOR__MODE": mode,
    }
    found = load_config(str(file), environ)
    shutil.rmtree(folder)
    return found


def as_shipped(text: str) -> str:
    """No change."""
    return text


def shared_reason(text: str) -> str:
    """The mapping with one field people may keep: what they write into the reason stays."""
    lines = [
        line.replace(", ours: true", "") if "reason" in line.lower() and "when_null" in line else line
        for line in text.splitlines(keepends=True)
    ]
    return "".join(lines)


def renamed_rules(text: str) -> str:
    return text.replace("- name: unhappy", "- name: dissatisfied").replace("- name: safety", "- name: danger")


def renamed_connection(text: str) -> str:
    """The helpdesk has another name in the file; what is written there is the same account's."""
    text = re.sub(r"^  zendesk:", "  helpdesk:", text, flags=re.MULTILINE)
    for before in ("connection: zendesk", "from: zendesk", "salesforce, zendesk]", "hubspot, zendesk]"):
        text = text.replace(before, before.replace("zendesk", "helpdesk"))
    return text


def renamed_source(text: str) -> str:
    """The survey tool has another name in the file, and another address for its hooks."""
    text = re.sub(r"^  typeform:", "  forms:", text, flags=re.MULTILINE)
    return text.replace("from: typeform", "from: forms")


def few_tickets(text: str) -> str:
    return text.replace("new_tickets: 300/h", "new_tickets: 2/h")


def both(one: Callable[[str], str], other: Callable[[str], str]) -> Callable[[str], str]:
    return lambda text: one(other(text))


REWRITES = (as_shipped, renamed_rules, renamed_connection, renamed_source)
FEW = tuple(both(few_tickets, one) for one in REWRITES)
