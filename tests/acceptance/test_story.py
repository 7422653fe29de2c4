"""The story of one recovery, played; the page that tells it is what was seen."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "story.md"
TICKET = "\nThe ticket, as the helpdesk holds it:\n\n"
END = "\n\nThe systems held what the story says, at every step.\n"


def told() -> tuple[str, str]:
    """What the command prints: the beats, and the ticket; addresses without what differs from run to run."""
    done = subprocess.run(
        [sys.executable, "-m", "connector", "demo", "--story"],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        env={"PATH": "/usr/bin:/bin", "COLUMNS": "200"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    local = r"http://127\.0\.0\.1:\d+"
    plain = re.sub(f"{local}/lightning", "https://acme.salesforce.example/lightning", done.stdout)
    plain = re.sub(local, "https://acme.zendesk.example", plain)
    beats, _, rest = plain.partition(TICKET)
    assert rest.endswith(END), rest
    return beats.strip("\n"), re.sub(r"csat:[0-9a-zA-Z_-]{8,}", "csat:…", rest.removesuffix(END))


def written(page: str, beats: str, ticket: str) -> str:
    """The page with what was told."""
    for name, text in (("story", beats), ("ticket", ticket)):
        before, _, rest = page.partition(f"<!-- {name} -->")
        _, _, after = rest.partition(f"<!-- /{name} -->")
        page = f"{before}<!-- {name} -->\n```text\n{text}\n```\n<!-- /{name} -->{after}"
    return page


def main() -> None:
    """Write the page anew."""
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), *told()), encoding="utf-8")


@pytest.mark.slow
def test_the_story_is_played_and_the_page_tells_it() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == written(page, *told())
