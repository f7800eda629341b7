"""Records that this process wrote last, so that the next write of the same need not read first.

Safe by construction: what is remembered is used only to compare-and-swap under its ETag, and ETags
never come back (`records`), so a write that succeeds has replaced exactly the record remembered
here. Nothing is ever *answered* from it: reads, failed conditions and "nothing to delete" always
ask the store.

It serves counters and states, which one process writes over and over; small values only, so that it
stays below 1 MiB.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from varflow.variables.writes.pendings import Seen

_ENTRIES: Final = 256
_VALUE_BYTES: Final = 2048


class Heads:
    """The records written last, the least recently written forgotten first."""

    def __init__(self) -> None:
        self._seen: OrderedDict[str, Seen] = OrderedDict()

    def take(self, path: str) -> Seen | None:
        """Return what the record was when it was written here, and forget it."""
        return self._seen.pop(path, None)

    def forget(self, path: str) -> None:
        """Forget the record."""
        self._seen.pop(path, None)

    def remember(self, path: str, seen: Seen) -> None:
        """Remember what was just written."""
        current = seen.current
        if current is not None and len(current.inline or b"") > _VALUE_BYTES:
            return
        self._seen[path] = seen
        if len(self._seen) > _ENTRIES:
            self._seen.popitem(last=False)
