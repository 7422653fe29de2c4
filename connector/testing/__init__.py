"""Twins and suites for adapters, ours and other people's."""
