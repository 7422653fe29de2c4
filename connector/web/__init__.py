"""The web edge: hooks, health and metrics."""
