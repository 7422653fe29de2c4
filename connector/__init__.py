"""CSAT Connector: survey answers become health scores, tickets and tasks, exactly once."""

__version__ = "0.1.0"
