"""The mapping files a configuration names: read, checked against it, compiled. Problems point into those files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from connector.config import checks
from connector.config.constants import Known, constants
from connector.config.document import Document, Path_, read
from connector.config.findings import Findings
from connector.config.mapping_files import (
    FIELD_EXPRESSIONS,
    FIELD_TEMPLATES,
    SURVEY_EXPRESSIONS,
    FieldsFile,
    SurveyFile,
)
from connector.domain.analysis.themes import Themes
from connector.domain.mapping.fields import SECTIONS, FieldMapping, compile_fields
from connector.domain.mapping.survey import SurveyMapping, compile_survey
from connector.domain.model.context import NO_LISTS, Names, names_in, survey_names
from connector.domain.model.intent import WriteKind
from connector.domain.model.nearest import nearest
from connector.errors import ConfigError, Problem
from connector.ports import KindSpec

NEITHER_SECTION_NOR_LANGUAGE: Final = frozenset({"critical", "lookalikes"})


@dataclass(slots=True)
class MappingFiles:
    """Reads mapping files beside a configuration and collects what is wrong with them."""

    folder: Path
    segments: tuple[str, ...]
    problems: list[Problem] = field(default_factory=list)
    checks_segments: bool = True
    known: Known = field(default_factory=dict)
    lists: Mapping[str, Names] = field(default_factory=lambda: NO_LISTS)

    def survey(self, name: str, findings: Findings, path: Path_) -> SurveyMapping | None:
        """The survey mapping named at `path` of the configuration; None when it cannot be used."""
        document = self._read(name, findings, path)
        if document is None:
            return None
        found = Findings(document)
        before = len(document.problems)
        _validate(document, SurveyFile, found)
        checks.expressions(document.tree, SURVEY_EXPRESSIONS, survey_names(), found)
        for segment in _keys(document.tree, "segments"):
            if self.checks_segments and segment not in self.segments:
                found.unknown(("segments", segment), "segment", self.segments)
        return None if self._close(document, found, before) else compile_survey(document.tree)

    def fields(
        self, name: str, spec: KindSpec, needed: Iterable[str], findings: Findings, path: Path_
    ) -> Mapping[str, FieldMapping]:
        """The sections of the mapping named at `path`. `needed` are those the configuration makes use of."""
        document = self._read(name, findings, path)
        if document is None:
            return {}
        found = Findings(document)
        before = len(document.problems)
        _validate(document, FieldsFile, found)
        for section in _present(document.tree):
            names = names_in(section, self.segments, self.lists)
            expressions, templates = (
                [(section, *one) for one in each] for each in (FIELD_EXPRESSIONS, FIELD_TEMPLATES)
            )
            checks.expressions(document.tree, expressions, names, found)
            checks.expressions(document.tree, templates, names, found, templates=True)
            constants(document.tree, expressions, self.known, found)
            constants(document.tree, templates, self.known, found, templates=True)
        present = _present(document.tree)
        for section in sorted(set(needed).difference(present)):
            found.missing((section,))
        for section, kind in SECTIONS.items():
            if section in present and kind not in spec.writes:
                found.add((section,), f"{spec.kind} takes no {section.replace('_', ' ')}")
            _check_fields(document.tree, section, spec, found)
        if self._close(document, found, before):
            return {}
        return {
            section: compile_fields(section, document.tree[section], names_in(section, self.segments, self.lists))
            for section in SECTIONS
            if section in present
        }

    def themes(self, name: str, languages: tuple[str, ...], findings: Findings, path: Path_) -> Themes | None:
        """The themes file named at `path`."""
        document = self._read(name, findings, path)
        if document is None:
            return None
        found = Findings(document)
        before = len(document.problems)
        tree = document.tree if isinstance(document.tree, dict) else {}
        for theme, body in tree.items():
            for key in body if isinstance(body, dict) else ():
                if (
                    key not in NEITHER_SECTION_NOR_LANGUAGE
                    and key not in languages
                    and not re.fullmatch("[a-z]{2}", key)
                ):
                    found.unknown((theme, key), "key or language", [*NEITHER_SECTION_NOR_LANGUAGE, *languages])
        try:
            themes = Themes(tree)
        except ValueError as error:
            place, _, message = str(error).partition(": ")
            found.add(tuple(place.split(".")), message)
            themes = None
        return None if self._close(document, found, before) else themes

    def _read(self, name: str, findings: Findings, path: Path_) -> Document | None:
        place = self.folder / name
        if not place.is_file():
            siblings = [*place.parent.glob("*.yaml"), *place.parent.glob("*.yml")] if place.parent.is_dir() else []
            near = nearest(place.name, [each.name for each in siblings])
            findings.add(path, f"there is no file {name}", near and str(Path(name).with_name(near)))
            return None
        try:
            return read(place, str(place))
        except ConfigError as error:
            self.problems.extend(error.problems)
            return None

    def _close(self, document: Document, findings: Findings, before: int) -> bool:
        """Whether the file has problems; they are kept once."""
        findings.close()
        new = document.problems[before:] or document.problems
        self.problems.extend(each for each in new if each not in self.problems)
        return bool(new)


def _validate(document: Document, model: type[BaseModel], findings: Findings) -> None:
    try:
        model.model_validate(document.tree)
    except ValidationError as error:
        findings.validation(error.errors(), model)


def _present(tree: Any) -> list[str]:
    """The sections there are, misspelt ones included."""
    return list(tree) if isinstance(tree, dict) else []


def _keys(tree: Any, section: str) -> list[str]:
    found = tree.get(section) if isinstance(tree, dict) else None
    return list(found) if isinstance(found, dict) else []


def _check_fields(tree: Any, section: str, spec: KindSpec, findings: Findings) -> None:
    """Fields the target lacks, where its standard ones are known without asking it."""
    kind: WriteKind = SECTIONS[section]
    known = (spec.known_fields or {}).get(kind)
    if known is None:
        return
    for name in _keys(tree, section):
        if name not in known and not (spec.custom_field and re.fullmatch(spec.custom_field, name)):
            findings.unknown((section, name), f"{spec.kind} {section.replace('_', ' ')} field", known)
