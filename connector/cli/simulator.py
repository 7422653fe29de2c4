"""`connector simulator`: the vendors' stand-ins alone, for a daemon of your own."""

from __future__ import annotations

import signal
import threading
from typing import Annotated

import typer

from connector.cli.demo import Crm
from connector.cli.output import console
from connector.clock import running_clock
from connector.errors import ConnectorError
from connector.simulator.suite import start_all


def simulator(
    port: Annotated[int, typer.Option(help="First of six ports; 0 takes free ones.")] = 0,
    crm: Annotated[Crm, typer.Option(help="The CRM that the environment leads to.")] = Crm.SALESFORCE,
    bare: Annotated[bool, typer.Option("--bare", help="Accounts in which nothing of ours was set up yet.")] = False,
) -> None:
    """Run the vendors' stand-ins on loopback until interrupted, and print the environment that leads to them."""
    stop = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: stop.set())
    try:
        running = start_all(running_clock(), ports=port, bare=bare, crm=crm)
    except (OSError, OverflowError) as error:
        raise ConnectorError(f"six ports from {port} on cannot be used: {error}; --port 0 takes free ones") from error
    with running as simulators:
        out = console()
        for key, value in simulators.environment().items():
            out.print(f"export {key}={value}", markup=False)
        out.print("# Running; Ctrl-C stops them.")
        out.file.flush()  # a file that the output goes to is whole from here on
        stop.wait()
