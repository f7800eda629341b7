"""Which of a state's catches takes an error. PURE."""

from __future__ import annotations

from collections.abc import Iterable

from varflow.engine.faults import Fault
from varflow.language import patterns
from varflow.language.workflow import Catch


def find_catch(catches: Iterable[Catch], fault: Fault) -> Catch | None:
    """Return the first of a state's catches that takes the error, or None."""
    if not fault.is_catchable:
        return None
    return next((catch for catch in catches if patterns.is_match([catch.error], fault.code)), None)
