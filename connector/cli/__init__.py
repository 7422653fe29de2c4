"""The command line: one module a command.

Exit codes: 0 done · 1 no (nothing of that number, a file in the way, a demo that differs, a test that fails) · 2 the
configuration or the command line is wrong · 3 the store cannot be used · 4 another system did not do what was asked ·
130 interrupted.
"""

from __future__ import annotations

import sys

import typer

from connector.cli import (
    backtest,
    backup,
    check,
    config,
    demo,
    explain,
    import_,
    init,
    keys,
    mapping,
    match,
    migrate_store,
    outbox,
    pause,
    person,
    plan,
    recovery,
    replay,
    report,
    run,
    score,
    setup,
    simulator,
    status,
    test,
    undo,
    webhooks,
)
from connector.cli.output import console
from connector.errors import ConfigError, ConnectorError, RemoteError, StoreError

EXIT_NO = 1
EXIT_CONFIG = 2
EXIT_STORE = 3
EXIT_REMOTE = 4
EXIT_INTERRUPTED = 130

app = typer.Typer(
    name="connector",
    help="Turns survey answers into health scores, tickets and tasks in the systems you already run on.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("init")(init.init)
app.command("check")(check.check)
app.command("setup")(setup.setup)
app.command("run")(run.run)
app.command("demo")(demo.demo)
app.command("simulator")(simulator.simulator)
app.command("plan")(plan.plan)
app.command("backtest")(backtest.backtest)
app.command("status")(status.status)
app.command("explain")(explain.explain)
app.command("report")(report.report)
app.command("score")(score.score)
app.command("replay")(replay.replay)
app.command("test")(test.try_out)
app.command("import")(import_.import_)
app.command("undo")(undo.undo)
app.command("pause")(pause.pause)
app.command("resume")(pause.resume)
app.command("backup")(backup.backup)
app.command("restore")(backup.restore)
app.command("migrate-store")(migrate_store.migrate_store)
app.add_typer(config.app, name="config")
app.add_typer(keys.app, name="keys")
app.add_typer(mapping.app, name="mapping")
app.add_typer(match.app, name="match")
app.add_typer(outbox.app, name="outbox")
app.add_typer(person.app, name="person")
app.add_typer(recovery.app, name="recovery")
app.add_typer(webhooks.app, name="webhooks")


def main() -> None:
    """Run the command line; a mistake of the user's gets a sentence and an exit code, never a traceback."""
    errors = console(stderr=True)
    try:
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
