"""Which error codes a pattern of a `catch` or a retry stands for. PURE.

A pattern is a glob that must match the whole code, as Direktiv's documents have it. Its code takes
them as regular expressions that may match anywhere, so that "a.b" also caught "xaYb"; rejected.
One regular expression is common in published workflows, `.*`, and means the same as `*` here.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable


def is_match(patterns: Iterable[str], code: str) -> bool:
    """Say whether one of `patterns` takes `code`; upper and lower case differ."""
    return any(
        pattern == ".*" or fnmatch.fnmatchcase(code, _literal_brackets(pattern))
        for pattern in patterns
    )


def covers(wide: str, narrow: str) -> bool:
    """Say whether a pattern takes every code that another one takes."""
    # What no single `?` can take the place of.
    return is_match([wide], narrow.replace("*", "\0" * (len(wide) + 1)))


def _literal_brackets(pattern: str) -> str:
    """Keep `[` from opening a set of characters: only `*` and `?` are documented."""
    return pattern.replace("[", "[[]")
