"""Listings for people, and those of variables for programs too. PURE."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import Final

import orjson

from varflow.variables.variables import VariableInfo
from varflow_cli.console import streams
from varflow_sidecar.web import listing, times

_HEADER: Final = ("KEY", "SIZE", "TYPE", "REVISION", "UPDATED", "EXPIRES")
_LONG_HEADER: Final = (*_HEADER, "CREATED", "WRITER")
_UNITS: Final = ("KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


class Columns:
    """Rows that come a page at a time; no column is ever narrower than on the page before."""

    def __init__(self) -> None:
        self._widths: list[int] = []

    def align(self, rows: Sequence[Sequence[str]]) -> str:
        """Return rows as lines whose columns stand below each other."""
        needed = [max(map(len, column)) for column in zip(*rows, strict=True)]
        pairs = zip_longest(needed, self._widths, fillvalue=0)
        self._widths = [max(pair) for pair in pairs]
        lines = ("  ".join(map(str.ljust, row, self._widths)).rstrip() for row in rows)
        return "".join(f"{line}\n" for line in lines)


def align(rows: Sequence[Sequence[str]]) -> str:
    """Return all the rows there are as lines whose columns stand below each other."""
    return Columns().align(rows)


def header(*, is_long: bool) -> tuple[str, ...]:
    """Return what stands above the rows of variables."""
    return _LONG_HEADER if is_long else _HEADER


def row(info: VariableInfo, *, is_long: bool) -> tuple[str, ...]:
    """Return what is shown of a variable."""
    short = (
        streams.visible(info.key),
        size(info.size),
        info.content_type,
        info.rev,
        times.shown(info.updated_at),
        times.find_shown(info.expires_at) or "",
    )
    return (*short, times.shown(info.created_at), info.writer) if is_long else short


def as_json(info: VariableInfo, *, is_long: bool) -> bytes:
    """Return an object, as `GET /vars` does."""
    fields = listing.fields_of(info)
    if is_long:
        fields |= {"sha256": info.sha256, "writer": info.writer}
    return orjson.dumps(fields)


def size(count: int) -> str:
    """Return a number of bytes as people say it: `7 B`, `1.5 KiB`."""
    if count < 1024:
        return f"{count} B"
    power = min((count.bit_length() - 1) // 10, len(_UNITS))
    return f"{count / 1024**power:.1f} {_UNITS[power - 1]}"
