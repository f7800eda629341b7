"""Which state is an action's: one JSON value for each function and trigger of a workflow. PURE.

A function that watches something remembers here what it has seen, from one run of its workflow to
the next. Runs that something starts by itself, a schedule or an event, have a state for each of
those; all runs that people and programs start share one, `manual`, be it by hand, from a terminal,
through the webhook or as a subflow (windmill-hummingbird.md §2.6 and §4.3). Where a workflow says
`state.perUser`, each user has one of these.

    control plane ── name_of(function, trigger, …) ──► Dispatch.state ──► sidecar ──► StateAddress

A name is a path of up to three segments, readable in a bucket browser: `poll/schedule:nightly`,
`poll/manual/alice`. Rejected: the step's id in the function's place, as Windmill has it, since
renaming a step would lose what its function knows; who wants two states gives one program two ids.
"""

from __future__ import annotations

import hashlib
import urllib.parse
from typing import Final

from varflow.variables import keys

MANUAL: Final = "manual"
"""What all runs that people and programs start have in common."""

_OWN: Final = frozenset({"schedule", "event"})
"""Types of triggers that have states of their own, one for each name."""
_CUT_BYTES: Final = 200
_UNNAMED: Final = "unknown"
"""Stands for a user whom nobody has named."""


def name_of(
    function: str,
    *,
    trigger_type: str = "",
    trigger_name: str = "",
    user: str | None = None,
) -> str:
    """Return the name of a state within its workflow.

    Args:
        function: The function's id.
        trigger_type: What kind of thing started the instance; empty for unknown.
        trigger_name: Which one of that kind.
        user: Who started it, in a workflow that keeps its users apart; None in all others.
    """
    segments = [function, _trigger(trigger_type, trigger_name)]
    if user is not None and segments[-1] == MANUAL:
        segments.append(user or _UNNAMED)
    return "/".join(map(_segment, segments))


def _trigger(kind: str, name: str) -> str:
    if kind not in _OWN:
        return MANUAL
    return f"{kind}:{name}" if name else kind


def _segment(text: str) -> str:
    """Return `text` as one segment of a path; no two texts become the same one."""
    shown = text.replace("%", "%25").replace("/", "%2F")
    if keys.find_fault(shown) is None:
        return shown
    cut = urllib.parse.quote(text, safe="", errors="surrogatepass")[:_CUT_BYTES]
    return f"{cut}%%{hashlib.sha256(text.encode(errors='surrogatepass')).hexdigest()[:32]}"
