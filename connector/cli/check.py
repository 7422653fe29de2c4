"""`connector check`: is the configuration right? Every problem at once, nothing is started or called."""

from __future__ import annotations

from connector.cli.output import AsJson, ConfigPath, console, print_json
from connector.config import redacted
from connector.wiring.opening import load_config


def check(config: ConfigPath = "connector.yaml", as_json: AsJson = False) -> None:
    """Read the configuration and everything it names; exit 2 with file, line and nearest right name of each mistake."""
    loaded = load_config(config)
    if as_json:
        print_json(redacted(loaded.config))
        return
    made = loaded.config
    console().print(
        f"{config} is right: {len(made.connections)} connections, {len(made.surveys)} surveys, "
        f"{len(made.rules)} rules, {len(made.playbooks)} playbooks; mode {made.mode}.",
        markup=False,
    )
    for place, variable in loaded.overridden.items():
        console().print(f"{variable} overrides {place}.", markup=False)
