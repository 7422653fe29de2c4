"""The configuration file becomes a valid `Config` with everything compiled, or every problem at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from connector.config import checks, constants, inert, reporting
from connector.config.connections import Connection, ConnectionKeys
from connector.config.directory import DirectoryFiles, directory_names, list_files
from connector.config.document import Document, Path_, read
from connector.config.environment import override, overrides
from connector.config.findings import Findings, keys_of, matches
from connector.config.health import Component, HealthScore
from connector.config.interpolation import Interpolation, variables
from connector.config.mappings import MappingFiles
from connector.config.messages import MessageStep
from connector.config.model import Config, Settings
from connector.config.scoring import component, scoring
from connector.domain.analysis.themes import Themes
from connector.domain.expressions import Expression, Template, compile_expression, compile_template
from connector.domain.mapping.fields import FieldMapping
from connector.domain.mapping.survey import SurveyMapping
from connector.domain.model.context import names_in, rule_names
from connector.domain.model.directory import Directory
from connector.domain.model.nearest import nearest
from connector.errors import ConfigError
from connector.ports import KindSpec

TOP_LEVEL: Final = (*keys_of(Settings), "connections")


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A valid configuration and what was compiled from it.

    `survey_mappings` by survey; `field_mappings` by connection and section; `rules` by rule name, a missing value
    raises; `templates` and `values` by their text, a missing value prints nothing and is none; `themes` None when none
    are configured; `directory` what its files say, a list read by a query
    is empty; `sections` the sections of its mapping that are made use of, by connection. `files` is everything it was
    read from, the configuration itself first. `overridden` and `filled` are the settings that came from environment
    variables, by their place (`connections.zendesk.base_url`): against what the file says, and because it says
    `${NAME}`.
    """

    config: Config
    survey_mappings: Mapping[str, SurveyMapping]
    field_mappings: Mapping[str, Mapping[str, FieldMapping]]
    themes: Themes | None
    directory: Directory
    rules: Mapping[str, Expression]
    templates: Mapping[str, Template]
    values: Mapping[str, Expression]
    sections: Mapping[str, frozenset[str]]
    files: tuple[Path, ...]
    overridden: Mapping[str, str]
    filled: Mapping[str, str]


def load(path: Path, kinds: Mapping[str, KindSpec], environ: Mapping[str, str]) -> Loaded:
    """Read the file at `path`, with references and overrides from `environ`.

    `kinds` are the adapters there are. Relative paths in the file start from its folder. Raises ConfigError with every
    problem, in the order of the files and their lines.
    """
    document = read(path, str(path))
    if not isinstance(document.tree, dict):
        document.report(document.place(()), "expected a configuration: keys with values")
        raise ConfigError(document.problems)
    return _Loading(document, path, kinds, environ).result()


class _Loading:
    """One load: the document, its findings, and what was understood so far."""

    def __init__(
        self, document: Document, path: Path, kinds: Mapping[str, KindSpec], environ: Mapping[str, str]
    ) -> None:
        folder = path.parent
        changes = overrides(document, TOP_LEVEL, environ, variables(document.tree))
        self.overridden = override(document, changes, environ)
        interpolation = Interpolation(document, environ, folder)
        self.tree: dict[str, Any] = interpolation.fill(document.tree)
        self.document = document
        self.read = (path, *interpolation.files)
        self.filled = {place: name for place, name in interpolation.variables.items() if place not in self.overridden}
        self.kinds = kinds
        self.context = {"folder": folder.absolute()}
        self.findings = Findings(document, interpolation.unfilled)
        segments = self.tree.get("segments")
        self.segments = tuple(str(each) for each in segments) if isinstance(segments, list) else ()
        self.files = MappingFiles(folder, self.segments)
        self.lists = DirectoryFiles(folder, self.findings)
        self.specs: dict[str, KindSpec | None] = {}

    def result(self) -> Loaded:
        """Everything, or ConfigError."""
        settings = self._settings()
        self.files.checks_segments = self._is_whole("segments", list)
        connections = dict(self._connections())
        checks.accounts(connections, self.findings)
        directory = self.lists.read(self.tree)
        self.files.lists = directory_names(directory)
        self._cross_checks()
        themes = self._themes()
        self.files.known = self._constants(themes)
        surveys = dict(self._survey_mappings())
        fields = dict(self._field_mappings())
        self.findings.close()
        problems = [*self.document.problems, *self.files.problems, *self.lists.problems]
        if problems or settings is None:
            order = {self.document.file: 0}
            raise ConfigError(sorted(problems, key=lambda each: (order.get(each.file, 1), each.file, each.line)))
        config = Config.model_construct(**dict(settings), connections=connections)
        names = rule_names(self.segments, self.files.lists)
        return Loaded(
            config=config,
            survey_mappings=surveys,
            field_mappings=fields,
            themes=themes,
            directory=directory,
            rules={rule.name: compile_expression(rule.when, names) for rule in config.rules},
            templates={
                text: compile_template(text, names, "absent")
                for patterns in checks.TEMPLATES.values()
                for pattern in patterns
                for _, text in matches(self.tree, pattern)
                if isinstance(text, str)
            },
            values={
                text: compile_expression(text, names, "absent")
                for pattern in checks.VALUES
                for _, text in matches(self.tree, pattern)
                if isinstance(text, str)
            },
            sections={name: frozenset(self._sections(name, spec)) for name, spec in self.specs.items()},
            files=(*self.read, *_files(config)),
            overridden=_spelled(self.overridden),
            filled=_spelled(self.filled),
        )

    def _settings(self) -> Settings | None:
        tree = {key: value for key, value in self.tree.items() if key != "connections"}
        try:
            return Settings.model_validate(tree, context=self.context)
        except ValidationError as error:
            self.findings.validation(error.errors(), Settings, also=["connections"])
            return None

    def _connections(self) -> Iterator[tuple[str, Connection]]:
        written = self.tree.get("connections")
        if "connections" not in self.tree:
            self.findings.missing(("connections",))
        elif not isinstance(written, dict) or not written:
            self.findings.add(("connections",), "expected a group of keys: one for each connection")
        for name, keys in written.items() if isinstance(written, dict) else ():
            self.specs[name] = None
            connection = self._connection(name, keys)
            if connection is not None:
                yield name, connection

    def _connection(self, name: str, keys: object) -> Connection | None:
        path: Path_ = ("connections", name)
        if not isinstance(keys, dict):
            self.findings.add(path, "expected a group of keys")
            return None
        common = set(keys_of(ConnectionKeys))
        spec = self._spec(path, keys)
        options = {key: value for key, value in keys.items() if key not in common}
        shared = self._part({key: keys[key] for key in keys if key in common}, ConnectionKeys, path, ())
        if spec is None:
            for key in options:
                if nearest(key, ["kind"]):
                    self.findings.unknown((*path, key), "key", common)
            return None
        own = self._part(options, spec.options, path, common)
        if not isinstance(shared, ConnectionKeys) or own is None:
            return None
        return Connection.model_construct(
            name=name,
            kind=shared.kind,
            roles=spec.roles,
            options=own,
            owner=shared.owner,
            mapping=shared.mapping,
            linger=shared.linger,
            quota=shared.quota,
            ceiling=shared.ceiling,
        )

    def _spec(self, path: Path_, keys: Mapping[str, object]) -> KindSpec | None:
        kind = keys.get("kind")
        if not isinstance(kind, str) or not kind:
            return None
        if kind not in self.kinds:
            self.findings.add((*path, "kind"), f"there is no kind {kind!r}", nearest(kind, self.kinds))
            return None
        try:
            spec = self.kinds[kind]
        except ConfigError as error:
            self.findings.add((*path, "kind"), error.problems[0].message)
            return None
        self.specs[str(path[-1])] = spec
        return spec

    def _part(
        self, tree: Mapping[str, object], model: type[BaseModel], path: Path_, also: Iterable[str]
    ) -> BaseModel | None:
        try:
            return model.model_validate(tree, context=self.context)
        except ValidationError as error:
            self.findings.validation(error.errors(), model, path, also)
            return None

    def _cross_checks(self) -> None:
        roles = {name: None if spec is None else spec.roles for name, spec in self.specs.items()}
        # A group that is itself broken or misspelt is one mistake, not one for each name in it.
        if self._is_whole("connections", dict):
            checks.connections(self.tree, roles, self.findings)
            checks.companies(self.tree, roles, self.findings)
            inert.connections(self.tree, self.specs, self.findings)
            inert.storm(self.tree, self.findings)
            inert.components(self.tree, self.specs, self.findings)
            inert.surveys(self.tree, self.specs, self.findings)
        if self._is_whole("engine", dict):
            inert.engine(self.tree, self.findings)
        if self._is_whole("match", dict):
            inert.likeness(self.tree, self.findings)
        if self._is_whole("playbooks", dict):
            checks.playbooks(self.tree, self.findings)
            inert.tickets(self.tree, self.findings)
        if self._is_whole("calendars", dict):
            checks.calendars(self.tree, self.findings)
        if self._is_whole("segments", list):
            checks.thresholds(self.tree, self.segments, self.findings)
            reporting.segments(self.tree, self.segments, self.findings)
        reporting.minimum(self.tree, self.findings)
        reporting.texts(self.tree, self.segments, self.files.lists, self.findings)
        checks.forms(self.tree, self.findings)
        answered = checks.rules_on(self.tree, "answer")
        scored = {"rules": checks.rules_on(self.tree, "score").get("rules")}
        lists = self.files.lists
        checks.expressions(answered, checks.EXPRESSIONS, names_in("when", self.segments, lists), self.findings)
        checks.expressions(answered, checks.VALUES, names_in("notify", self.segments, lists), self.findings)
        for place, patterns in checks.TEMPLATES.items():
            names = names_in(place, self.segments, lists)
            checks.expressions(answered, patterns, names, self.findings, templates=True)
        names = names_in("score", self.segments, lists)
        checks.expressions(scored, (*checks.EXPRESSIONS, *checks.VALUES), names, self.findings)
        checks.expressions(scored, checks.TEMPLATES["notify"], names, self.findings, templates=True)
        checks.score_rules(self.tree, self.findings)
        self._score()

    def _constants(self, themes: Themes | None) -> constants.Known:
        """Check what rules and texts compare names with; what names can be."""
        named = any(True for _ in matches(self.tree, ("analysis", "themes")))
        whole = self._is_whole("analysis", dict) and not self.findings.was_meant(("analysis", "themes"))
        words = None if themes is None else themes.names
        if self._is_whole("defects", list):
            checks.defects(self.tree, () if whole and not named else words, self.findings)
        known = constants.known_values(self.tree, () if whole and not named else words, self.findings)
        constants.constants(self.tree, (*checks.EXPRESSIONS, *checks.VALUES), known, self.findings)
        reporting.themes(self.tree, known.get("themes"), self.findings)
        for patterns in checks.TEMPLATES.values():
            constants.constants(self.tree, patterns, known, self.findings, templates=True)
        return known

    def _is_whole(self, key: str, shape: type) -> bool:
        return isinstance(self.tree.get(key, shape()), shape) and not self.findings.was_meant((key,))

    def _score(self) -> None:
        """What the scoring room refuses: keys a component's source needs, bands that do not begin at 0."""
        path: Path_ = ("health_score",)
        sound = True
        for place, tree in matches(self.tree, ("health_score", "components", "*")):
            try:
                component(str(place[-1]), Component.model_validate(tree))
            except ValidationError:
                sound = False  # reported with the settings
            except ValueError as error:
                sound = False
                self.findings.add(place, str(error).partition(": ")[2])
        for _, tree in matches(self.tree, ("health_score",)) if sound else ():
            try:
                scoring(HealthScore.model_validate(tree))
            except ValidationError:
                return
            except ValueError as error:
                self.findings.add((*path, "bands") if "band" in str(error) else path, str(error))

    def _survey_mappings(self) -> Iterator[tuple[str, SurveyMapping]]:
        for path, name in matches(self.tree, ("surveys", "*", "mapping")):
            if isinstance(name, str) and name:
                mapping = self.files.survey(name, self.findings, path)
                if mapping is not None:
                    yield str(path[1]), mapping

    def _field_mappings(self) -> Iterator[tuple[str, Mapping[str, FieldMapping]]]:
        for name, spec in self.specs.items():
            path: Path_ = ("connections", name, "mapping")
            needed = sorted(self._sections(name, spec))
            for _, mapping in matches(self.tree, ("connections", name, "mapping")):
                if isinstance(mapping, str) and spec is not None and "mapping" in inert.shared_keys(spec):
                    yield name, self.files.fields(mapping, spec, needed, self.findings, path)
                    break
            else:
                if needed:
                    self.findings.missing(path)

    def _sections(self, name: str, spec: KindSpec | None) -> Iterator[str]:
        """The sections of a connection's mapping that this configuration makes use of."""
        if spec is None:
            return
        steps: Sequence[str] = ("playbooks", "*", "steps", "*")
        if self._names(name, *steps, "ticket", "connection"):
            yield from ("ticket", "note")
        if self._names(name, *steps, "task", "connection"):
            yield "task"
        if self._names(name, "answers", "write_to", "*"):
            yield "activity" if "crm" in spec.roles else "answer"
        if self._names(name, "health_score", "write", "to", "*"):
            yield "contact_fields"
        match = self.tree.get("match")
        creates = not isinstance(match, dict) or match.get("missing", "create") == "create"
        if creates and "crm" in spec.roles and any(list(self._uses(name))):
            yield "contact"

    def _uses(self, name: str) -> Iterator[bool]:
        for pattern, roles in checks.CONNECTIONS:
            if "crm" in roles and "components" not in pattern:
                yield self._names(name, *pattern)

    def _names(self, name: str, *pattern: str) -> bool:
        return any(value == name for _, value in matches(self.tree, pattern))

    def _themes(self) -> Themes | None:
        languages = tuple(str(each) for _, each in matches(self.tree, ("analysis", "languages", "*")))
        for path, name in matches(self.tree, ("analysis", "themes")):
            if isinstance(name, str) and name:
                return self.files.themes(name, languages, self.findings, path)
        return None


def _files(config: Config) -> Iterator[Path]:
    """The mapping files a configuration names."""
    yield from (survey.mapping for survey in config.surveys.values())
    yield from (each.mapping for each in config.connections.values() if each.mapping is not None)
    if config.analysis.themes is not None:
        yield config.analysis.themes
    yield from list_files(config.directory)
    for book in config.playbooks.values():
        yield from (step.codes.file for step in book.steps if isinstance(step, MessageStep) and step.codes is not None)


def _spelled(variables: Mapping[Path_, str]) -> dict[str, str]:
    return {".".join(str(part) for part in place): name for place, name in sorted(variables.items(), key=str)}
