"""What every test starts from and leaves behind."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

# What the suites of connector.testing assert is explained like what tests assert.
pytest.register_assert_rewrite("connector.testing")

# A change is judged by what it changes, not by the dice of the day: with CI set, property tests draw the same examples
# every time. At the keyboard they keep looking for new ones.
settings.register_profile("steady", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("steady")


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """Whatever a test makes of logging ends with it: the stream it logged to is gone afterwards."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)
