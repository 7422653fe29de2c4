"""What every test starts from and leaves behind."""

from __future__ import annotations

import gc
import logging
import os
from collections.abc import Callable, Generator, Iterator
from typing import Any

import pytest
from hypothesis import settings

# What the suites of connector.testing assert is explained like what tests assert: before anything imports them.
pytest.register_assert_rewrite("connector.testing")

from connector.store.database import Database  # noqa: E402
from tests import stores  # noqa: E402

# A change is judged by what it changes, not by the dice of the day: with CI set, property tests draw the same examples
# every time. At the keyboard they keep looking for new ones. A deadline would say how busy the machine is.
settings.register_profile("curious", deadline=None)
settings.register_profile("steady", derandomize=True, deadline=None)
settings.load_profile("steady" if os.environ.get("CI") else "curious")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What thousands of tests are made of is never garbage: looking for some took a third of their collection."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """Whatever a test makes of logging ends with it: the stream it logged to is gone afterwards."""
    root, ours = logging.getLogger(), logging.getLogger("connector")
    handlers, levels = list(root.handlers), (root.level, ours.level)
    yield
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    ours.setLevel(levels[1])
    logging.captureWarnings(False)


@pytest.fixture(scope="session")
def opened_stores() -> Iterator[list[Database]]:
    """The stores that are opened, as they are."""
    found: list[Database] = []
    make = Database.__init__

    def remember(self: Database, *arguments: Any, **named: Any) -> None:
        make(self, *arguments, **named)
        found.append(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Database, "__init__", remember)
        yield found


@pytest.fixture(autouse=True)
def stores_closed(opened_stores: list[Database]) -> Iterator[None]:
    """Every store that a test opened is closed with it: from Python 3.13 on, forgotten connections to SQLite warn."""
    opened_stores.clear()  # what several tests share is closed by whoever made it
    yield
    for store in opened_stores:
        store.close()
    opened_stores.clear()


@pytest.fixture
def without_garbage() -> Iterator[None]:
    """What earlier tests left is not finalised at the bottom of a deep recursion, where nothing can be called."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.fixture
def show(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Says a figure that people want to see of a run that passed, after it, also when several workers ran it."""

    def say(text: str) -> None:
        record_property("shown", text)

    return say


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests wanted to show."""
    reports = [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]
    shown = [str(text) for report in reports for name, text in report.user_properties if name == "shown"]
    if shown:
        terminalreporter.section("figures")
        for text in shown:
            terminalreporter.write_line(text)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """What is marked `both_stores` runs on SQLite and on PostgreSQL; `only_sqlite` takes a test of such a file out."""
    marks = {mark.name for mark in metafunc.definition.iter_markers()}
    if "both_stores" in marks and "only_sqlite" not in marks:
        metafunc.fixturenames.insert(0, "store_kind")  # before whatever makes the store
        metafunc.parametrize("store_kind", stores.KINDS, indirect=True)


@pytest.fixture
def store_kind(request: pytest.FixtureRequest) -> Iterator[str]:
    """Where the store of the test is."""
    with stores.on(request.param):
        yield request.param
