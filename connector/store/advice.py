"""What a person can do about a store that cannot be used, instead of what a driver says about it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DatabaseError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionLeft

from connector.errors import StoreError
from connector.store import server


class Undone(StoreError):
    """Two transactions were in each other's way and this one was undone; the same may be tried again."""


@contextmanager
def advised() -> Iterator[None]:
    """Turn what a driver says about a store it cannot use into advice; its own words may hold the URL's password."""
    try:
        yield
    except NoConnectionLeft as error:
        raise StoreError("the store is busy: every connection to it is in use") from error
    except DatabaseError as error:
        message = server.advice(error)
        if message is None and not isinstance(error, OperationalError) and type(error) is not DatabaseError:
            raise  # a constraint or a wrong statement: our mistake, not the store's state
        if message is None:
            message = (
                "the store cannot be used: check that it can be reached and written, is whole, and its disk is not full"
            )
        raise (Undone if server.is_crossed(error) else StoreError)(message) from error
