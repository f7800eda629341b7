"""Reading a whole scope: for drivers that do it with less than one `get` after another.

A folder does: its threads read some records each at a time, off the event loop, and while the disk
seeks for one of them it seeks for others too. A bucket does not: each record is a request, however
it is asked for (`listings` has some under way at one time).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Protocol, runtime_checkable

from varflow.variables.stores.base import Versioned

Scan = AsyncGenerator[tuple[str, Versioned], None]
"""Paths and what is there; to be closed by who leaves it early."""


@runtime_checkable
class Scanning(Protocol):
    """The part of a driver that reads many records."""

    def scan(self, prefix: str, *, after: str = "") -> Scan | None:
        """Yield the records that `list` and then `get` would give; None when those are as fast.

        Only for prefixes below which all objects are records.

        Raises (while iterating):
            StoreError: a record could not be read; names it.
        """
