"""Which state is an action's: one JSON value for each function and trigger of a workflow. PURE.

A function that watches something remembers here what it has seen, from one run of its workflow to
the next. Runs that something starts by itself, a schedule or an event, have a state for each of
those; all runs that people and programs start share one, `manual`, be it by hand, from a terminal,
through the webhook or as a subflow (windmill-hummingbird.md §2.6 and §4.3). Where a workflow says
`state.perUser`, each user has one of these.

    control plane ── States.name_of ──► Dispatch.state ──► sidecar ──► StateAddress

A name is a path of up to three segments, readable in a bucket browser: `poll/schedule:nightly`,
`poll/manual/alice`. Rejected: the step's id in the function's place, as Windmill has it, since
renaming a step would lose what its function knows; who wants two states gives one program two ids.
"""

from __future__ import annotations

import hashlib
import urllib.parse
from dataclasses import dataclass
from typing import Final

from varflow.variables import keys

MANUAL: Final = "manual"
"""What all runs that people and programs start have in common."""

_OWN: Final = frozenset({"schedule", "event"})
"""Types of triggers that have states of their own, one for each name."""
_CUT_BYTES: Final = 200
_UNNAMED: Final = "unknown"
"""Stands for a user whom nobody has named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """What started an instance."""

    type: str = ""
    """Its kind; empty where nobody said."""
    name: str = ""
    """Which one of that kind, such as the schedule's name."""
    user: str = ""
    """On whose behalf, as far as that is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class States:
    """Whose states the functions of an instance have."""

    trigger: Trigger = Trigger()
    is_per_user: bool = False
    """The workflow keeps the states of its users apart."""

    def name_of(self, function: str) -> str:
        """Return the name of a function's state within its workflow."""
        segments = [function, _trigger(self.trigger)]
        if self.is_per_user and segments[-1] == MANUAL:
            segments.append(self.trigger.user or _UNNAMED)
        return "/".join(map(_segment, segments))


def _trigger(trigger: Trigger) -> str:
    if trigger.type not in _OWN:
        return MANUAL
    return f"{trigger.type}:{trigger.name}" if trigger.name else trigger.type


def _segment(text: str) -> str:
    """Return `text` as one segment of a path; no two texts become the same one."""
    shown = text.replace("%", "%25").replace("/", "%2F")
    if keys.find_fault(shown) is None:
        return shown
    cut = urllib.parse.quote(text, safe="", errors="surrogatepass")[:_CUT_BYTES]
    return f"{cut}%%{hashlib.sha256(text.encode(errors='surrogatepass')).hexdigest()[:32]}"
