"""What becomes of one object when the key has changed. PURE.

header, keys ──► judge ──► Seal ─┐
claim, life of its variable ─────┴──► decide ──► Step
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Final

from varflow.variables.encryption.headers import Header
from varflow.variables.encryption.keyrings import KeyRing
from varflow.variables.encryption.policies import Policy


class Seal(Enum):
    """How an object lies in the store, seen from the keys that are here."""

    CURRENT = "current"
    """Sealed with the key that is written with."""
    OUTDATED = "outdated"
    """Sealed with another one, or plain and believed."""
    CLOSED = "closed"
    """Its key is not here, or it is plain and not believed, or it is not there at all."""


class Step(StrEnum):
    """What is done with a record; the values are stable, programs match them."""

    KEEP = "kept"
    SEAL = "sealed"
    """The same value is written again."""
    MOVE = "moved"
    """So it is, and it names a copy of its body."""
    CLAIM = "claimed"
    """Left: a commit is at work on it."""
    STALE = "stale"
    """Left: an older revision that nobody can ask for, which a sweep removes."""
    CLOSED = "closed"
    """Left: it cannot be opened."""
    BROKEN = "broken"
    """Left: it is not what was written."""
    BUSY = "busy"
    """Left: others write it again and again."""


LEFT: Final = frozenset({Step.CLAIM, Step.STALE, Step.CLOSED, Step.BROKEN, Step.BUSY})
"""Not renewed, although that may be needed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A record as it was found; `body` is that of its value, if that has one."""

    record: Seal
    body: Seal | None = None
    is_claimed: bool = False
    is_stale: bool = False

    @property
    def is_outdated(self) -> bool:
        """Whether anything of it needs another key than the present one."""
        return Seal.OUTDATED in {self.record, self.body}


def judge(header: Header | None, ring: KeyRing | None, policy: Policy) -> Seal:
    """Return how an object lies there that begins with this header, or with none.

    Plain objects are sealed where they are believed only. Elsewhere they may be forged, and
    sealing them would make somebody else's value a true one.
    """
    if header is None:
        return Seal.OUTDATED if policy is Policy.MIGRATE else Seal.CLOSED
    if ring is None or ring.find(header.key_id) is None:
        return Seal.CLOSED
    return Seal.CURRENT if header.key_id == ring.current.id else Seal.OUTDATED


def decide(found: Found) -> Step:
    """Return what is to be done with a record."""
    if not found.is_outdated:
        return Step.CLOSED if Seal.CLOSED in {found.record, found.body} else Step.KEEP
    if found.is_claimed:
        return Step.CLAIM
    if found.is_stale:
        return Step.STALE
    return Step.MOVE if found.body is Seal.OUTDATED else Step.SEAL
