"""The YAML: models, loading with every problem at once, JSON Schema, reference page, and a form that can be shown."""

from connector.config.connections import Connection
from connector.config.loading import Loaded, load
from connector.config.model import Config
from connector.config.redaction import redacted

__all__ = ["Config", "Connection", "Loaded", "load", "redacted"]
