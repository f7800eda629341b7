"""Programs that need no jq: paths such as `.` and `.var.x`. PURE.

Most expressions of real workflows are of this kind. Following the path here gives what jq gives (a
test compares them) without a round trip and, for `.`, without taking the data apart. What would be
an error in jq is left to jq.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

_PATH = re.compile(r"\.|(?:\.[A-Za-z_][A-Za-z0-9_]*)+")


class NoShortcutError(LookupError):
    """The program has to run in jq."""


@lru_cache(maxsize=4096)
def find_path(source: str) -> tuple[str, ...] | None:
    """Return the keys that a program follows, or None when it does anything else."""
    return (
        tuple(source.split(".")[1:] if source != "." else ()) if _PATH.fullmatch(source) else None
    )


def follow(source: str, data: Any) -> Any:
    """Return the program's result.

    Raises:
        NoShortcutError: it is no path, or jq would refuse it for this data.
    """
    path = find_path(source)
    if path is None:
        raise NoShortcutError(source)
    for key in path:
        if data is None:
            continue
        if not isinstance(data, dict):
            raise NoShortcutError(source)
        data = data.get(key)
    return data
