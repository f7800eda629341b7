"""Which errors a `catch` or a retry takes: patterns over codes. PURE.

A pattern is a glob that must match the whole code, as Direktiv's documents have it. Its code takes
them as regular expressions that may match anywhere, so that "a.b" also caught "xaYb"; rejected.
One regular expression is common in published workflows, `.*`, and means the same as `*` here.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable

from varflow.engine.faults import Fault
from varflow.language.workflow import Catch


def is_match(patterns: Iterable[str], code: str) -> bool:
    """Say whether one of `patterns` takes `code`; upper and lower case differ."""
    return any(
        pattern == ".*" or fnmatch.fnmatchcase(code, _literal_brackets(pattern))
        for pattern in patterns
    )


def find_catch(catches: Iterable[Catch], fault: Fault) -> Catch | None:
    """Return the first of a state's catches that takes the error, or None."""
    if not fault.is_catchable:
        return None
    return next((catch for catch in catches if is_match([catch.error], fault.code)), None)


def _literal_brackets(pattern: str) -> str:
    """Keep `[` from opening a set of characters: only `*` and `?` are documented."""
    return pattern.replace("[", "[[]")
