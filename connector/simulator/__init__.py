"""Strict stand-ins for the vendors, on loopback."""
