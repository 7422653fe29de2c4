"""The picture in docs/architecture.md, kept true: who may import whom, which library lives where, what is banned."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "connector"
SOURCES = sorted(PACKAGE.rglob("*.py"))

# From the ground up. A room may import rooms on lower rows; rooms in one row are blind to each other.
ROWS: list[set[str]] = [
    {"errors", "clock", "secret", "observe"},
    {"domain"},
    {"ports"},
    {"store", "transport", "config"},
    {"sync", "adapters"},
    {"web", "engines"},
    {"wiring", "simulator"},
    {"testing"},
    {"cli"},
]
ROW = {room: number for number, row in enumerate(ROWS) for room in row}
# The ground may use itself: observe redacts secrets, errors name none of them.
GROUND = ROWS[0]

HOMES = {
    "sqlalchemy": {"store"},
    "alembic": {"store"},
    "httpx": {"transport"},
    "requests": {"transport", "adapters"},
    "smtplib": {"transport"},
    "tenacity": {"transport", "sync"},
    "celery": {"engines"},
    "kombu": {"engines"},
    "redis": {"engines"},
    "yaml": {"config"},
    "fastapi": {"web"},
    "starlette": {"web"},
    "uvicorn": {"web"},
    "jinja2": {"domain"},
    "vaderSentiment": {"domain", "simulator"},
    "py3langid": {"domain"},
    "holidays": {"domain"},
    "phonenumbers": {"domain"},
    "rapidfuzz": {"domain"},
    "cryptography": {"store"},
    "zenpy": {"adapters"},
    "simple_salesforce": {"adapters"},
    "hubspot": {"adapters"},
    "typer": {"cli"},
    "rich": {"cli"},
    "prometheus_client": {"observe"},
    "structlog": {"observe"},
    "pydantic": {"config", "adapters", "secret"},
    "pydantic_settings": {"config"},
    "pytest": {"testing"},
}
DOMAIN_ISLANDS = {"mapping", "analysis", "matching", "scoring", "recovery", "reporting"}
BANNED_NAMES = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "managers", "base"}


def room_of(path: Path) -> str:
    relative = path.relative_to(PACKAGE).with_suffix("")
    return relative.parts[0]


def imported_modules(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def connector_parts(path: Path) -> Iterator[tuple[str, ...]]:
    for module in imported_modules(path):
        parts = tuple(module.split("."))
        if parts[0] == "connector" and len(parts) > 1:
            yield parts[1:]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_only_lower_rooms(path: Path) -> None:
    room = room_of(path)
    if room in {"__init__", "__main__"}:
        return
    assert room in ROW, f"{room} has no place in the picture"
    for parts in connector_parts(path):
        other = parts[0]
        if other == room or other == "__version__" or (room in GROUND and other in GROUND):
            continue
        assert other in ROW, f"connector.{other} has no place in the picture"
        assert ROW[other] < ROW[room], f"{path.name} ({room}) must not import {other}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_libraries_stay_in_their_room(path: Path) -> None:
    room = room_of(path)
    for module in imported_modules(path):
        library = module.split(".")[0]
        assert room in HOMES.get(library, {room}), f"{library} does not belong in {room}"


def test_domain_islands_are_blind_to_each_other() -> None:
    for path in (PACKAGE / "domain").rglob("*.py"):
        island = path.relative_to(PACKAGE / "domain").parts[0]
        if island not in DOMAIN_ISLANDS:
            continue
        for parts in connector_parts(path):
            if parts[0] == "domain" and len(parts) > 1:
                assert parts[1] not in DOMAIN_ISLANDS - {island}, f"{path} imports {parts[1]}"


def test_a_vendor_never_imports_another_vendor() -> None:
    folder = PACKAGE / "adapters"
    vendors = {path.stem if path.is_file() else path.name for path in folder.iterdir()} - {
        "__init__",
        "registry",
        "__pycache__",
    }
    for path in folder.rglob("*.py"):
        vendor = path.relative_to(folder).parts[0].removesuffix(".py")
        for parts in connector_parts(path):
            if parts[0] == "adapters" and len(parts) > 1 and vendor != "registry":
                assert parts[1] not in vendors - {vendor}, f"{path} imports {parts[1]}"


def test_adapters_neither_sleep_nor_log_nor_catch_everything() -> None:
    for path in (PACKAGE / "adapters").rglob("*.py"):
        tree = ast.parse(path.read_text())
        assert not {"time", "logging", "tenacity", "structlog"} & {m.split(".")[0] for m in imported_modules(path)}, (
            path
        )
        for node in ast.walk(tree):
            if isinstance(node, ast.ExceptHandler):
                names = ast.unparse(node.type) if node.type else "everything"
                assert names not in {"everything", "Exception", "BaseException"}, f"{path}:{node.lineno}"


def test_no_dumping_grounds() -> None:
    for path in SOURCES:
        assert path.stem not in BANNED_NAMES, path
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                assert not node.name.endswith(("Manager", "Helper", "Handler", "Processor", "Factory", "Service")), (
                    node.name
                )


# Revisions are written by a program, once, and never edited.
WRITTEN = [path for path in SOURCES if path.parent.name != "versions"]


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_stay_small(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= 400, "one subject a file"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef) and node.end_lineno:
            assert node.end_lineno - node.lineno < 60, f"{path.name}: {node.name}"


def test_only_the_clock_asks_for_the_time() -> None:
    asking = {
        "datetime.now",
        "datetime.utcnow",
        "time.time",
        "time.monotonic",
        "time.sleep",
        "date.today",
        "datetime.today",
    }
    allowed = {PACKAGE / "clock.py"}
    for path in SOURCES:
        if path in allowed:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                assert ast.unparse(node.func) not in asking, f"{path}:{node.lineno}"


def test_broad_except_stands_only_at_the_edges() -> None:
    allowed = {"engines", "web", "cli"}
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ExceptHandler):
                names = ast.unparse(node.type) if node.type else "BaseException"
                if names in {"Exception", "BaseException"}:
                    assert room_of(path) in allowed or room_of(path) == "simulator", f"{path}:{node.lineno}"


def test_the_program_runs_without_pytest_and_starts_without_alembic() -> None:
    """Alembic is loaded where tables change: it takes as long to load as all the rest of the store."""
    code = (
        "import sys; sys.modules['pytest'] = None; import connector.cli.run, connector.testing.rehearsal\n"
        "assert 'alembic' not in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_importing_everything_needs_nothing(tmp_path: Path) -> None:
    modules = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in SOURCES]
    modules = [
        name.removesuffix(".__init__") for name in modules if "migrations" not in name and "__main__" not in name
    ]
    code = "import importlib, sys\nfor name in sys.argv[1:]: importlib.import_module(name)"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *modules],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.iterdir()) == []
