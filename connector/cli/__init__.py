"""The command line: one module a command.

Exit codes: 0 done · 1 no (nothing of that number, a file in the way, a demo that differs, a test that fails) · 2 the
configuration or the command line is wrong · 3 the store cannot be used · 4 another system did not do what was asked ·
130 interrupted.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterable, Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Final

import typer

from connector.cli.output import console
from connector.errors import ConfigError, ConnectorError, RemoteError, StoreError

EXIT_NO = 1
EXIT_CONFIG = 2
EXIT_STORE = 3
EXIT_REMOTE = 4
EXIT_INTERRUPTED = 130

COMMANDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "init": "init.init",
        "check": "check.check",
        "setup": "setup.setup",
        "run": "run.run",
        "demo": "demo.demo",
        "simulator": "simulator.simulator",
        "plan": "plan.plan",
        "backtest": "backtest.backtest",
        "status": "status.status",
        "explain": "explain.explain",
        "report": "report.report",
        "score": "score.score",
        "replay": "replay.replay",
        "test": "test.try_out",
        "import": "import_.import_",
        "undo": "undo.undo",
        "pause": "pause.pause",
        "resume": "pause.resume",
        "backup": "backup.backup",
        "restore": "backup.restore",
        "migrate-store": "migrate_store.migrate_store",
        "config": "config.app",
        "keys": "keys.app",
        "mapping": "mapping.app",
        "match": "match.app",
        "outbox": "outbox.app",
        "person": "person.app",
        "recovery": "recovery.app",
        "webhooks": "webhooks.app",
    }
)
"""Each command, in the order in which help lists them, with its module and the function, or the group, in there."""


def make_app(names: Iterable[str]) -> typer.Typer:
    """The command line with these commands. Only their modules are loaded: nobody waits for what others need."""
    app = typer.Typer(
        name="connector",
        help="Turns survey answers into health scores, tickets and tasks in the systems you already run on.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    app.callback()(_keep_the_name)
    for name in names:
        module, _, attribute = COMMANDS[name].partition(".")
        found = getattr(import_module(f"connector.cli.{module}"), attribute)
        if isinstance(found, typer.Typer):
            app.add_typer(found, name=name)
        else:
            app.command(name)(found)
    return app


def _load(names: Iterable[str]) -> typer.Typer:
    """The command line, loaded without looking for garbage, which took a quarter of a start and found none.

    What a program is made of is no garbage later either: it is not looked at again.
    """
    gc.disable()
    app = make_app(names)
    gc.freeze()
    gc.enable()
    return app


def _keep_the_name() -> None:
    """A command line of one command would have it without its name."""


def main() -> None:
    """Run the command line; a mistake of the user's gets a sentence and an exit code, never a traceback."""
    errors = console(stderr=True)
    wanted = next(iter(sys.argv[1:]), "")
    try:
        app = _load([wanted] if wanted in COMMANDS else COMMANDS)
        app(prog_name="connector")
    except ConfigError as error:
        for problem in error.problems:
            errors.print(str(problem), markup=False)
        number = len(error.problems)
        errors.print(f"{number} problem{'' if number == 1 else 's'} in the configuration; nothing was started.")
        sys.exit(EXIT_CONFIG)
    except StoreError as error:
        errors.print(f"The store cannot be used: {error}", markup=False)
        sys.exit(EXIT_STORE)
    except RemoteError as error:
        errors.print(str(error), markup=False)
        sys.exit(EXIT_REMOTE)
    except ConnectorError as error:
        errors.print(str(error), markup=False)
        sys.exit(EXIT_NO)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        errors.print(f"{where}{error.strerror or error}", markup=False)
        sys.exit(EXIT_NO)
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)
