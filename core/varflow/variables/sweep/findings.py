"""What a look through a store can find, what of it is wrong, and what may be done about it. PURE.

    inspections ──Finding──► tallies, for people
                        └──► repairs, for what is due

Only what is *due* is acted on: old enough that no writer or reader can still be at work with it.
What cannot be read or is not known is never touched, and nothing that it might name either.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from varflow.variables.records import Record


class Kind(StrEnum):
    """What was found; the values are stable, programs match them."""

    BROKEN_RECORD = "broken_record"
    BROKEN_DECISION = "broken_decision"
    MISSING_BODY = "missing_body"
    DAMAGED_BODY = "damaged_body"
    UNKNOWN_OBJECT = "unknown_object"
    HALF_DONE_COMMIT = "half_done_commit"
    ORPHANED_BODY = "orphaned_body"
    UNFINISHED_UPLOAD = "unfinished_upload"
    STALE_REVISION = "stale_revision"
    EXPIRED = "expired"
    DELETED = "deleted"


TITLES: Final = {
    Kind.BROKEN_RECORD: "variables that cannot be read",
    Kind.BROKEN_DECISION: "decisions that cannot be read",
    Kind.MISSING_BODY: "variables whose bytes are gone",
    Kind.DAMAGED_BODY: "variables whose bytes are too few or too many",
    Kind.UNKNOWN_OBJECT: "objects that Varflow does not know",
    Kind.HALF_DONE_COMMIT: "variables in the middle of a commit",
    Kind.ORPHANED_BODY: "bytes that no variable has",
    Kind.UNFINISHED_UPLOAD: "writes that were never finished",
    Kind.STALE_REVISION: "older revisions of variables that are gone",
    Kind.EXPIRED: "expired variables",
    Kind.DELETED: "traces of deleted variables",
}

_DAMAGE: Final = frozenset(
    {
        Kind.BROKEN_RECORD,
        Kind.BROKEN_DECISION,
        Kind.MISSING_BODY,
        Kind.DAMAGED_BODY,
        Kind.UNKNOWN_OBJECT,
    }
)
"""Needs a person."""
_USUAL: Final = frozenset({Kind.EXPIRED, Kind.DELETED})
"""Part of a store's life, however old."""

DAY_SECONDS: Final = 86400.0
UNSETTLED_SECONDS: Final = 15 * 60.0
"""A commit takes milliseconds; but no hurry is worth killing one on a slow day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ages:
    """From when on something is due, in seconds."""

    unsettled: float = UNSETTLED_SECONDS
    """For a commit that nobody finished, and for what has expired: clocks may differ."""
    unused: float
    """For what nobody names: longer than the longest action, and a day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing in the store."""

    kind: Kind
    path: str
    is_due: bool
    detail: str = ""
    size: int = 0
    """In bytes, of what takes up room for nothing."""
    id: str = ""
    """The driver's, of an unfinished upload."""

    @property
    def is_wrong(self) -> bool:
        """Whether a store that is well kept does not have it."""
        return self.kind in _DAMAGE or (self.is_due and self.kind not in _USUAL)

    @property
    def is_repairable(self) -> bool:
        """Whether something may be done about it now."""
        return self.is_due and self.kind not in _DAMAGE


def judge(record: Record, *, modified: float, now: float, ages: Ages) -> tuple[Kind, bool] | None:
    """Return what there is to say of a readable record, and whether that is due."""
    if record.pending is not None:
        return Kind.HALF_DONE_COMMIT, now >= modified + ages.unsettled
    if record.current is None:
        return Kind.DELETED, now >= modified + ages.unused
    expires_at = record.current.expires_at
    if expires_at is not None and now >= expires_at:
        return Kind.EXPIRED, now >= expires_at + ages.unsettled
    return None


def is_stale(revision: Record, live: Record | None, *, now: float) -> bool:
    """Tell whether an older revision can never be asked for again, seeing its variable's record.

    One whose record has a claim may be becoming the current one's predecessor, so it stays.
    """
    if live is not None and live.pending is not None:
        return False
    value, present = revision.current, live.current if live is not None else None
    if value is None or present is None:
        return True
    is_over = value.expires_at is not None and now >= value.expires_at
    return is_over or value.created_at != present.created_at
