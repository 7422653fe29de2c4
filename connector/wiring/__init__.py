"""The one composition root: a loaded configuration becomes a running connector."""
