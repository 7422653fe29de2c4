"""Survey mappings tried out: on kept samples, on a stored delivery, and drafted from a real form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from connector.clock import Clock
from connector.config import Loaded, golden
from connector.config.draft_file import write_draft
from connector.domain.mapping.draft import draft
from connector.domain.model.response import Response
from connector.errors import ConnectorError, Gone, MappingError
from connector.ports import Forms, Source
from connector.store import inbox
from connector.store.database import Database
from connector.transport.grants import MemoryTokens
from connector.transport.kit import Kit
from connector.wiring.accounts import Accounts
from connector.wiring.adapters import make_adapters

SURVEY = "sample"
"""What a golden response calls its survey: a mapping may serve several."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One sample, and what the mapping makes of it now.

    `response` is None where it cannot be read, `problem` says why. `differences` are place, accepted and present value;
    `is_new`: nothing was accepted for it yet; `is_unused`: no survey of the configuration uses its mapping.
    """

    sample: Path
    mapping: str
    response: Response | None
    problem: str = ""
    is_new: bool = False
    is_unused: bool = False
    differences: Sequence[tuple[str, Any, Any]] = ()

    @property
    def is_same(self) -> bool:
        """Whether it is what was accepted."""
        return not (self.problem or self.is_new or self.differences)


def try_samples(loaded: Loaded, folder: Path, clock: Clock, only: Sequence[str] = ()) -> list[Trial]:
    """Every sample of the folder; a sample is named after its mapping: `service.json`, `service.angry.json`.

    `only` are samples by name. Raises ConnectorError when there is none of that name, or none at all.
    """
    samples = sorted(folder.glob("*.json")) if folder.is_dir() else []
    unknown = sorted(set(only) - {sample.stem for sample in samples})
    if unknown:
        raise ConnectorError(f"there is no sample {unknown[0]} in {folder}")
    if not samples:
        raise ConnectorError(f"there are no samples in {folder}: put a delivery there, named after its mapping")
    sources = _sources(loaded, clock)
    return [_try(loaded, sources, sample) for sample in samples if not only or sample.stem in only]


def accept(trial: Trial) -> None:
    """Record what the mapping makes of the sample as right."""
    assert trial.response is not None, "only what can be read is accepted"
    golden.write_golden(trial.sample, trial.mapping, trial.response)


def map_delivery(loaded: Loaded, db: Database, delivery_id: int, clock: Clock) -> Response:
    """What the configuration makes of a stored delivery, whatever became of it. Raises ConnectorError."""
    with db.read() as tx:
        found = inbox.find(tx, delivery_id)
    if found is None:
        raise ConnectorError(f"there is no delivery {delivery_id}, or nothing of it is kept any more")
    source = _sources(loaded, clock).get(found.kind)
    if source is None:
        raise ConnectorError(f"no connection of kind {found.kind} is configured")
    return _map(loaded, source, found.payload, found.received_at, survey=None)


def draft_mapping(loaded: Loaded, accounts: Accounts, connection: str, form: str, path: Path, clock: Clock) -> str:
    """Write a first mapping for a form and return its text. Raises ConnectorError, RemoteError."""
    tools = {name: one for name, one in accounts.made.items() if isinstance(one, Forms)}
    if connection not in tools:
        known = f"; {', '.join(tools)} can" if tools else ""
        raise ConnectorError(f"the connection {connection} cannot read forms{known}")
    try:
        real = accounts.ask(connection, partial(tools[connection].form, form))
    except Gone:
        raise ConnectorError(f"{connection} has no form {form}, or its token may not read it") from None
    return write_draft(draft(real, loaded.config.segments), path, clock.now().date())


def _sources(loaded: Loaded, clock: Clock) -> Mapping[str, Source]:
    """A source of each kind; which of several connections reads a delivery makes no difference."""
    kit = Kit(clock=clock, token_store=MemoryTokens(clock), read_only=True)
    return {one.kind: one for one in make_adapters(loaded.config, kit).sources.values()}


def _try(loaded: Loaded, sources: Mapping[str, Source], sample: Path) -> Trial:
    named = sample.stem.partition(".")[0]
    surveys = [name for name, each in loaded.config.surveys.items() if each.mapping.stem == named]
    if not surveys:
        unused = f"not tried, no survey uses a mapping called {named}"
        return Trial(sample=sample, mapping=named, response=None, problem=unused, is_unused=True)
    survey = loaded.config.surveys[surveys[0]]
    mapping = "/".join(survey.mapping.parts[-3:])
    accepted = golden.read_golden(sample)
    try:
        source = sources[loaded.config.connections[survey.source].kind]
        at = _received(accepted)
        response = _map(loaded, source, sample.read_bytes(), at, survey=surveys[0])
    except MappingError as error:
        return Trial(sample=sample, mapping=mapping, response=None, problem=str(error))
    now = golden.plain(response)
    return Trial(
        sample=sample,
        mapping=mapping,
        response=response,
        is_new=accepted is None,
        differences=() if accepted is None else tuple(golden.differences(accepted, now)),
    )


def _received(accepted: Mapping[str, Any] | None) -> datetime | None:
    """When the sample came in, as its golden response says."""
    try:
        return datetime.fromisoformat(str((accepted or {})["received_at"]))
    except (KeyError, ValueError):
        return None


def _map(loaded: Loaded, source: Source, payload: bytes, at: datetime | None, *, survey: str | None) -> Response:
    """One delivery through its mapping; `survey` None: the one that reads its form. Raises MappingError."""
    record = source.read(payload)
    if record is None:
        raise MappingError("it is authentic, but no answer", field="payload")
    name = survey or next(_surveys(loaded, source.kind, record.form), None)
    if name is None:
        raise MappingError(f"no survey of the configuration reads the form {record.form}", field="form")
    return loaded.survey_mappings[name].respond(
        kind=source.kind,
        survey=SURVEY if survey else name,
        form=record.form,
        id=record.id,
        submitted_at=record.submitted_at,
        received_at=at or record.submitted_at,
        answers=record.answers,
        hidden=record.hidden,
        metadata=record.metadata,
    )


def _surveys(loaded: Loaded, kind: str, form: str) -> Iterator[str]:
    for name, each in loaded.config.surveys.items():
        if form in each.forms and loaded.config.connections[each.source].kind == kind:
            yield name
