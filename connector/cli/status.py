"""`connector status`: what came in, where it stands, and what needs a person."""

from __future__ import annotations

from collections.abc import Mapping

from connector.cli.output import AsJson, ConfigPath, console, print_json, print_pairs, print_table
from connector.clock import running_clock
from connector.domain.model.intent import IntentState
from connector.store.inbox import DeliveryState
from connector.store.responses import VersionState
from connector.wiring.opening import load_config, open_store
from connector.wiring.settings import settings_at_rest
from connector.wiring.status import Status, read_status

STUCK = (IntentState.REJECTED, IntentState.GIVEN_UP, IntentState.HELD, IntentState.BLOCKED)
"""Where an intent waits for a person, or for another one that does."""


def status(config: ConfigPath = "connector.yaml", as_json: AsJson = False) -> None:
    """Show the sums of everything that came in, was decided and was written."""
    loaded, clock = load_config(config), running_clock()
    now = read_status(open_store(loaded.config, clock), loaded.config.mode)
    owners = settings_at_rest(loaded, clock).owners
    if as_json:
        print_json(
            {
                "mode": now.mode,
                "accepted": now.accepted,
                "deliveries": now.deliveries,
                "duplicates": now.duplicates,
                "refused": now.refused,
                "responses": now.responses,
                "intents": now.intents,
                "recoveries": now.recoveries,
                "held_links": now.held_links,
                "run": None if now.run is None else now.run.id,
                "undoing": list(now.undoing),
                "paused_by_operators": {one.connection: one.since for one in now.pauses},
                "storms": {one.survey: one.since for one in now.storms},
                "paused": {account.name: account.reason for account in now.paused},
                "who_to_call": {one.name: owners[one.name] for one in now.paused if one.name in owners},
                "retention": now.retention,
                "erasures": now.erasures,
                "waiting": now.waiting,
            }
        )
        return
    _print(now, owners)


def _print(now: Status, owners: Mapping[str, str]) -> None:
    print_pairs(f"Deliveries: {now.accepted} accepted", {"again, identical": now.duplicates, **now.deliveries})
    print_pairs("Refused at the door", now.refused)
    print_pairs("Responses, by version", now.responses)
    print_pairs("Recoveries", now.recoveries)
    print_pairs("Intents", now.intents)
    if now.retention:
        print_pairs("Gone by retention", now.retention)
    if now.erasures:
        print_pairs("Erasures", now.erasures)
    out = console()
    if now.paused:
        rows = [(one.name, one.reason, one.since, owners.get(one.name, "-")) for one in now.paused]
        out.print()
        print_table("Paused, needs a person", ["account", "reason", "since", "who to call"], rows)
    if now.pauses:
        out.print()
        print_table(
            "Paused by an operator", ["connection", "since"], [(one.connection, one.since) for one in now.pauses]
        )
    if not now.paused and not now.pauses:
        out.print()
    for storm in now.storms:
        out.print(
            f"{storm.survey}: too many unhappy answers, what they lead to is held. Are they right? `connector resume "
            f"{storm.survey}` lets it go; `connector undo {storm.run_id}` takes the run back."
        )
    for number in now.undoing:
        out.print(f"Run {number} is being undone: `connector undo {number}` says how far it is.")
    unread = now.deliveries.get(DeliveryState.QUARANTINED.value, 0)
    undecided = now.responses.get(VersionState.QUARANTINED.value, 0)
    if quarantined := unread + undecided:
        out.print(f"{quarantined} quarantined: `connector replay --list` says why.")
    if now.held_links:
        out.print(f"{now.held_links} links held, which contact it is being unsure: `connector match list` says who.")
    stuck = [f"{number} {state.value}" for state in STUCK if (number := now.intents.get(state.value, 0))]
    if stuck:
        out.print(f"{', '.join(stuck)}: `connector outbox causes` says why.")
    run = "" if now.run is None else f", run {now.run.id}"
    out.print(f"Mode {now.mode}{run}; {now.waiting} under way.")
    if now.mode == "observe":
        out.print("Nothing is written elsewhere: `connector plan` shows what would be.")
