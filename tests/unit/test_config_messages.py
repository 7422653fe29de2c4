"""Messages to customers as the YAML has them: what is offered loads, what would go wrong is refused on its line."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest

from connector.adapters.registry import kinds
from connector.config import Loaded, load
from connector.errors import ConfigError
from connector.sync.message_settings import Codes, MessageStep
from connector.sync.settings import DecideSettings
from connector.wiring.settings import decide_settings
from tests.unit.deciding import ACCOUNTS, ENVIRON
from tests.unit.test_config_inert import edit, folder, problems

__all__ = ["folder"]

SAID = {**ENVIRON, "SMTP_PASSWORD": "x" * 20}
BEGINS = re.compile(r"#( {2}mail:| {6}- message:| {4}follow_up:)")
OFFER = """#      - message:
#          connection: mail
#          kind: offer
#          subject: For you
#          text: "${file:mappings/messages/offer.txt}"
#          codes: {file: codes.csv, one_per: 30d}
#    follow_up:"""


@pytest.fixture
def offered(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The example with its comments about mail taken away."""
    monkeypatch.setitem(ENVIRON, "SMTP_PASSWORD", "x" * 20)
    path = folder / "config.yaml"
    text = path.read_text(encoding="utf-8").replace("#    follow_up:", OFFER, 1)
    begun = False
    lines = []
    for line in text.splitlines():
        begun = (
            line.startswith("#")
            and not line.startswith("#  github:")
            and (begun or re.match(r"#( {2}mail:| {6}- message:| {4}follow_up:)", line) is not None)
        )
        lines.append(line[1:] if begun else line)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "codes.csv").write_text("code,worth\nA1,10\nA2,10\nA1,10\n\n", encoding="utf-8")
    return folder


def loaded(folder: Path) -> Loaded:
    return load(folder / "config.yaml", kinds(), SAID)


def settings(folder: Path) -> DecideSettings:
    return decide_settings(loaded(folder), {**ACCOUNTS, "mail": "smtp:smtp.example.com/1"})


def test_what_the_example_offers_loads(offered: Path) -> None:
    wanted = settings(offered)
    _, _, _, apology, offer = wanted.playbooks["service-recovery"].steps
    assert isinstance(apology, MessageStep)
    assert (apology.kind, apology.after) == ("apology", timedelta(hours=1))
    assert "we are sorry" in apology.text.text
    assert isinstance(offer, MessageStep)
    assert offer.codes == Codes(listed=("A1", "A2"), one_per=timedelta(days=30))
    assert wanted.follow_ups["service-recovery"].within == timedelta(days=14)
    assert wanted.messages.needs_consent
    assert wanted.messages.night is None
    assert offered / "codes.csv" in loaded(offered).files, "a reload hears of new codes"


def test_a_list_of_codes_needs_no_heading(offered: Path) -> None:
    (offered / "codes.csv").write_text("A9\nA8\n", encoding="utf-8")
    offer = settings(offered).playbooks["service-recovery"].steps[4]
    assert isinstance(offer, MessageStep)
    assert offer.codes is not None
    assert offer.codes.listed == ("A9", "A8")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("kind: apology ", "kind: sorry ", ("apology", "call_back")),
        ("connection: mail\n          kind: apology", "connection: slack\n          kind: apology", ("messenger",)),
        ("connection: mail\n          kind: apology", "connection: male\n          kind: apology", ("no connection",)),
        ('when: recovery.severity != "normal"', 'when: recovery.severty != "normal"', ("recovery.severty",)),
        ('when: recovery.severity != "normal"', 'when: recovery.severity == "sever"', ("never 'sever'",)),
        ("subject: We are sorry", 'subject: "{{ ticket.url }}"', ("never has a value here",)),
        ("subject: We are sorry", 'subject: "{{ message.reference }}"', ("never has a value here",)),
        ("subject: Is it well now?", 'subject: "{{ message.code }}"', ("never has a value here",)),
        ("recovery={{ message.reference }}", "recovery=1", ("message.reference",)),
        ('survey: "https://acme', 'survey: "ftp://acme', ("https://",)),
        ("codes: {file: codes.csv, one_per: 30d}", "codes: {file: nope.csv}", ("nope.csv cannot be read",)),
        ("codes: {file: codes.csv, one_per: 30d}", "after: 1h", ("needs codes",)),
        ("kind: offer", "kind: apology", ("codes belong",)),
        ("time_zone: Europe/Berlin", "time_zone: Europe/Berlin\nmessages: {night: 20-8}", ("20:00-08:00",)),
        ("time_zone: Europe/Berlin", 'time_zone: Europe/Berlin\nmessages: {night: "08:00-08:00"}', ("is none",)),
        ("  retention:", "  messages_need: nothing\n  retention:", ("none-needed",)),
    ],
)
def test_what_would_go_wrong_is_refused(offered: Path, old: str, new: str, words: tuple[str, ...]) -> None:
    edit(offered / "config.yaml", old, new)
    with pytest.raises(ConfigError) as error:
        loaded(offered)
    for word in words:
        assert word in str(error.value)


def test_several_columns_need_a_heading(offered: Path) -> None:
    (offered / "codes.csv").write_text("A1,10\n", encoding="utf-8")
    (problem,) = problems(offered)
    assert "several columns" in problem.message


def test_the_night_is_configured(offered: Path) -> None:
    edit(
        offered / "config.yaml",
        "time_zone: Europe/Berlin",
        'time_zone: Europe/Berlin\nmessages: {night: "20:00-08:00"}',
    )
    edit(offered / "config.yaml", "  retention:", "  messages_need: none-needed\n  retention:")
    policy = settings(offered).messages
    assert policy.night is not None
    assert f"{policy.night.begins:%H:%M}-{policy.night.ends:%H:%M}" == "20:00-08:00"
    assert not policy.needs_consent
