"""What every part of the configuration is made from."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict
from pydantic_core.core_schema import ValidationInfo

from connector.secret import Secret


def beside_the_file(path: Path, info: ValidationInfo) -> Path:
    """A relative path starts from the folder of the configuration's file."""
    return Path(info.context["folder"]) / path if info.context else path


def _path(value: object) -> object:
    if not isinstance(value, str | Path) or not str(value).strip():
        raise ValueError("expected the path of a file")
    return value


FilePath = Annotated[Path, BeforeValidator(_path), AfterValidator(beside_the_file)]


SQLITE = "sqlite:///"


def _database(url: Secret, info: ValidationInfo) -> Secret:
    text = url.reveal()
    if not re.match(r"[a-z][a-z0-9]*(\+[a-z0-9_]+)?://", text):
        raise ValueError("expected the URL of a database: postgresql://user:password@host/name, sqlite:///file.db")
    if text.startswith(SQLITE):
        return Secret(SQLITE + str(beside_the_file(Path(text.removeprefix(SQLITE)), info)))
    return url


DatabaseUrl = Annotated[Secret, AfterValidator(_database)]
"""Another program's database, in SQLAlchemy's words; it may hold a password."""


class Misspelt(ValueError):
    """A value that probably stands for `suggestion`, where there is one."""

    def __init__(self, message: str, suggestion: str | None) -> None:
        self.suggestion = suggestion
        super().__init__(message)


class Model(BaseModel):
    """A part of the configuration: frozen, and closed to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, populate_by_name=False)
