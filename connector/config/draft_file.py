"""A drafted mapping as a YAML file a person will edit: every guess says what it stands on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

from connector.domain.mapping.draft import Draft, Line, RatingLine
from connector.errors import ConnectorError

_GROUPS = ("respondent", "interaction", "segments")


def write_draft(drafted: Draft, path: Path, day: date) -> str:
    """Write the file and return its text. Raises ConnectorError when it is there already."""
    text = draft_text(drafted, day)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise ConnectorError(f"{path} is there already; it was left as it is") from None
    return text


def draft_text(drafted: Draft, day: date) -> str:
    """The file's text."""
    return "\n".join(_lines(drafted, day)) + "\n"


def _lines(drafted: Draft, day: date) -> Iterator[str]:
    form = drafted.form
    yield f"# Drafted from the form {_plain(form.title)!r} ({form.id}) on {day}. LOOK marks what is unsure: read it,"
    yield "# correct it, then try real answers with `connector mapping test`."
    yield "ratings:"
    for rating in drafted.ratings:
        yield from _rating(rating)
    if not drafted.ratings:
        yield "  # LOOK: the form has no scale; a mapping needs at least one rating."
        yield "  []"
    yield from _single("comment", drafted.lines)
    for group in _GROUPS:
        inside = [line for line in drafted.lines if line.place.startswith(f"{group}.")]
        if inside:
            yield f"{group}:"
        for line in inside:
            yield from _line(line.place.removeprefix(f"{group}."), line, indent="  ")
    yield from _single("consent", drafted.lines)
    if drafted.unused:
        yield "# Not used:"
        yield from (f"#   {_plain(each)}" for each in drafted.unused)


def _rating(rating: RatingLine) -> Iterator[str]:
    best = ", best: low" if rating.best == "low" else ""
    about = "" if rating.about == "overall" else f", about: {_quoted(rating.about)}"
    yield f"  # {_plain(rating.because)}"
    if rating.doubt:
        yield f"  # LOOK: {_plain(rating.doubt)}"
    yield f"  - {{metric: {rating.metric}, value: {_quoted(rating.value)}, scale: {rating.scale}{best}{about}}}"


def _single(place: str, lines: Sequence[Line]) -> Iterator[str]:
    for line in lines:
        if line.place == place:
            yield from _line(place, line, indent="")


def _line(key: str, line: Line, *, indent: str) -> Iterator[str]:
    if line.doubt:
        yield f"{indent}# LOOK: {_plain(line.doubt)}"
    because = f"  # {_plain(line.because)}" if line.because else ""
    yield f"{indent}{key}: {_quoted(line.value)}{because}"


def _quoted(text: str) -> str:
    """As a YAML scalar; plain where that is safe, so that the usual file reads well."""
    safe = text.replace("_", "").replace(".", "").replace(" ", "").isalnum()
    safe = safe and text.casefold() not in {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}
    return text if safe else "'" + text.replace("'", "''") + "'"


def _plain(text: str) -> str:
    """Words of the form's author in a comment: one line, nothing that ends it, not too long."""
    flat = " ".join("".join(each if each.isprintable() else " " for each in text).split())
    return flat if len(flat) <= 100 else flat[:99] + "…"
