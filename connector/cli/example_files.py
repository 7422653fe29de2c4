"""Where the shipped example configuration and mappings are: in a checkout at its root, in a wheel beside this file."""

from __future__ import annotations

from pathlib import Path


def example_root() -> Path:
    """The folder that holds `config.example.yaml` and `mappings/`."""
    packaged = Path(__file__).parent / "example"
    return packaged if packaged.is_dir() else Path(__file__).parents[2]
