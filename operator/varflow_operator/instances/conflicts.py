"""What is to be done when the status could not simply be written. PURE.

After a 409, or when no answer came, the object is read again, and what it says decides:

| the status has the checkpoint that …      | verdict | then                                     |
|-------------------------------------------|---------|------------------------------------------|
| we wanted to write                        | LANDED  | the answer was lost; go on               |
| we began with, or wrote before            | AGAIN   | somebody changed something else; merge   |
| an older control plane wrote after we     | OVER-   | begin again with what is there: ours is  |
| had read, and before our first write      | TAKEN   | not the last word, and nobody else goes on |
| anybody else wrote                        | DEPOSED | there is a newer control plane; stop     |
| (there is no object, or another one)      | GONE    | the instance was deleted                 |

Two control planes never have the same epoch, and one never tries the same number twice.
"""

from __future__ import annotations

from enum import StrEnum

from varflow.errors import VarflowError
from varflow_operator.instances.records import Mark, Record


class Verdict(StrEnum):
    """What is so."""

    LANDED = "landed"
    AGAIN = "again"
    OVERTAKEN = "overtaken"
    DEPOSED = "deposed"
    GONE = "gone"


class Deposed(VarflowError):
    """Another control plane has taken the instance over; this one leaves it alone."""

    code = "stale_epoch"
    status = 409


class Overtaken(Deposed):
    """What this control plane has read is old; it is the newest, and has to read again."""


class InstanceGone(VarflowError):
    """The instance's object was deleted."""

    code = "object_not_found"
    status = 404


def judge(found: Record | None, *, uid: str, base: Mark, wanted: Mark) -> Verdict:
    """Return what a fresh look at the object means for our write.

    Args:
        found: what is there now.
        uid: of the instance that we write.
        base: the last checkpoint that we know to be there.
        wanted: the checkpoint that we tried to write.
    """
    if found is None or found.uid != uid:
        return Verdict.GONE
    if found.mark == wanted:
        return Verdict.LANDED
    is_ours = found.mark == base or found.mark.epoch == wanted.epoch
    if found.is_over or found.mark.epoch > wanted.epoch:
        return Verdict.DEPOSED
    return Verdict.AGAIN if is_ours else Verdict.OVERTAKEN
