"""Replies of other systems that are JSON, and not of the shape they should have."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from connector.errors import InDoubt, Transient

# What indexing, iterating and converting raise when a list, a null or a number stands where an object should.
_STUMBLES = (AttributeError, LookupError, OverflowError, TypeError, ValueError)


@contextmanager
def expecting(what: str, failure: type[Transient] | type[InDoubt] = Transient, **context: object) -> Iterator[None]:
    """Read a reply that should say `what`; `context` is that of the reply.

    Raises `failure` where the block stumbles over the shape: Transient for a read, InDoubt for what answers a write.
    """
    try:
        yield
    except _STUMBLES as stumble:
        # The chain is cut on purpose: the text of a stumble repeats values of the reply.
        raise failure(f"the reply does not say {what} ({type(stumble).__name__})", **context) from None  # type: ignore[arg-type]  # the keyword arguments of RemoteError
