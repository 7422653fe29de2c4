"""Recoveries: open, join, raise, say what to do."""
