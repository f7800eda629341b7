"""Programs that need no jq: paths such as `.` and `.var.x`. PURE.

Most expressions of real workflows are of this kind. Following the path here gives what jq gives (a
test compares them) without a round trip and, for `.`, without taking the data apart. What would be
an error in jq is left to jq.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from varflow.language.expressions import Language, Program

_PATH = re.compile(r"\.|(?:\.[A-Za-z_][A-Za-z0-9_]*)+")


class NoShortcutError(LookupError):
    """The program has to run in its engine."""


@lru_cache(maxsize=4096)
def find_path(source: str) -> tuple[str, ...] | None:
    """Return the keys that a program follows, or None when it does anything else."""
    return (
        tuple(source.split(".")[1:] if source != "." else ()) if _PATH.fullmatch(source) else None
    )


def follow(program: Program, data: Any) -> Any:
    """Return the program's result.

    Raises:
        NoShortcutError: it is no path, or jq would refuse it for this data.
    """
    path = find_path(program.source) if program.language is Language.JQ else None
    if path is None:
        raise NoShortcutError(program.source)
    for key in path:
        if data is None:
            continue
        if not isinstance(data, dict):
            raise NoShortcutError(program.source)
        data = data.get(key)
    return data
