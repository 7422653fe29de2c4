"""The adapters of one configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from connector.adapters import registry
from connector.config import Config
from connector.ports import Interactions, Source, Writer
from connector.transport.kit import Kit


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapters:
    """The adapters of a configuration, by the name of their connection."""

    made: Mapping[str, object]

    @property
    def sources(self) -> dict[str, Source]:
        """Where answers come from."""
        return {name: one for name, one in self.made.items() if isinstance(one, Source)}

    @property
    def writers(self) -> dict[str, Writer]:
        """What is written to."""
        return {name: one for name, one in self.made.items() if isinstance(one, Writer)}

    @property
    def records(self) -> dict[str, Interactions]:
        """Who keeps records of interactions."""
        return {name: one for name, one in self.made.items() if isinstance(one, Interactions)}

    @property
    def accounts(self) -> dict[str, str]:
        """The vendor account of each connection that is written to."""
        return {name: one.account for name, one in self.writers.items()}


def make_adapters(config: Config, kit: Kit) -> Adapters:
    """An adapter for each connection; none of them calls anybody yet. Raises ConfigError."""
    return Adapters(
        made={
            name: registry.build(connection.kind, name, connection.options, kit)
            for name, connection in config.connections.items()
        }
    )
