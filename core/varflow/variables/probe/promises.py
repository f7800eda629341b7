"""What Varflow promises of variables, and which of it a given store can keep. PURE.

    checks ──► probing ──► Verdict ──► the operator, the command line
                              └──► contract ──► sidecars' settings

The promises are those of design.md §8 that rest on the store's word. Everything else (functions are
called at least once, instances end, memory is bounded) holds over any store.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self

from varflow.errors import InvalidInput


class Promise(StrEnum):
    """One promise; the value is what settings, metrics and messages call it."""

    WRITES = "writes"
    UPDATES = "updates"
    COMMITS = "commits"


TEXTS: Final[Mapping[Promise, str]] = {
    Promise.WRITES: "an acknowledged write is never lost",
    Promise.UPDATES: "a compare-and-swap never loses an update",
    Promise.COMMITS: "an action's variables appear all together, once, or not at all",
}
"""What each says, for people."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Which promises do not hold over a store; none by default.

    Its text is what stands in settings: names with commas between, and nothing for a good store, so
    that the settings of those who have one do not change.
    """

    broken: frozenset[Promise] = frozenset()

    def keeps(self, promise: Promise) -> bool:
        """Tell whether a promise holds."""
        return promise not in self.broken

    def __bool__(self) -> bool:
        """Tell whether all hold."""
        return not self.broken

    def __str__(self) -> str:
        return ",".join(promise for promise in Promise if promise in self.broken)

    @classmethod
    def decode(cls, text: str) -> Self:
        """Read the text of a verdict.

        Raises:
            InvalidInput: it has a name that is no promise's.
        """
        try:
            return cls(frozenset(Promise(name.strip()) for name in text.split(",") if name.strip()))
        except ValueError as error:
            known = ", ".join(Promise)
            raise InvalidInput(
                f"{text[:64]!r} is no list of promises; there are {known}"
            ) from error


KEPT: Final = Verdict()
"""All promises hold."""
