"""Listings for people, and those of variables for programs too. PURE."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import orjson

from varflow.variables.variables import VariableInfo
from varflow_sidecar.web import times

_HEADER: Final = ("KEY", "SIZE", "TYPE", "REVISION", "UPDATED", "EXPIRES")


def as_text(found: Sequence[VariableInfo]) -> str:
    """Return aligned columns, one variable a line; nothing at all when there are none."""
    if not found:
        return ""
    return align([_HEADER, *map(_row, found)])


def align(rows: Sequence[Sequence[str]]) -> str:
    """Return rows as lines whose columns stand below each other."""
    if not rows:
        return ""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
    return "".join(f"{line}\n" for line in lines)


def as_json(found: Sequence[VariableInfo]) -> str:
    """Return a list of objects, with the names that `GET /vars` uses."""
    return orjson.dumps([_object(info) for info in found]).decode() + "\n"


def _row(info: VariableInfo) -> tuple[str, ...]:
    return (
        info.key,
        str(info.size),
        info.content_type,
        info.rev,
        times.shown(info.updated_at),
        times.find_shown(info.expires_at) or "",
    )


def _object(info: VariableInfo) -> dict[str, Any]:
    return {
        "key": info.key,
        "size": info.size,
        "contentType": info.content_type,
        "revision": info.rev,
        "createdAt": times.shown(info.created_at),
        "updatedAt": times.shown(info.updated_at),
        "expiresAt": times.find_shown(info.expires_at),
    }
