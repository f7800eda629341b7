"""When a variable expires: what a caller may ask, and what becomes of it. PURE.

A write without a `ttl` keeps the present expiry, `none` clears it, a number of seconds replaces
it; 0 is stored already expired. A variable is there if and only if now < `expires_at`: an expired
one is absent for every operation, whether or not a sweeper has been by (windmill-hummingbird.md
§4.1 shows what disagreeing on that does to drivers). Seconds may be fractions; the precision is
the clock's.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final

from varflow.errors import InvalidInput
from varflow.variables.records import Value


class Expiry(StrEnum):
    """What to do with the expiry when no time is given."""

    KEEP = "keep"
    CLEAR = "none"


Ttl = float | Expiry
"""Seconds from now, or what to do without."""

_SECONDS: Final = re.compile(r"[0-9]+(\.[0-9]*)?(e[+-]?[0-9]+)?", re.IGNORECASE)
"""Narrower than Python's own reading, which takes `1_0`, spaces and the digits of all scripts."""

MAX_SECONDS: Final = 100 * 366 * 86400
"""A century: what lies beyond is a mistake, and no calendar date for a header."""


def parse(text: str | None) -> Ttl:
    """Return what a caller's `ttl=` asks for; nothing given keeps the present expiry.

    Raises:
        InvalidInput: neither `none` nor a number of seconds in range.
    """
    if text is None:
        return Expiry.KEEP
    if text == Expiry.CLEAR:
        return Expiry.CLEAR
    if not _SECONDS.fullmatch(text):
        raise _fault(ascii(text[:64]))
    return check(float(text))


def check(ttl: Ttl) -> Ttl:
    """Return `ttl` if it can be stored.

    Raises:
        InvalidInput: negative, not finite, or more than a century.
    """
    if isinstance(ttl, Expiry) or 0 <= ttl <= MAX_SECONDS:
        return ttl
    raise _fault(f"{ttl}")


def expires_at(ttl: Ttl, *, present: Value | None, now: float) -> float | None:
    """Return the expiry of the value that replaces `present`, which is alive."""
    if ttl is Expiry.KEEP:
        return present.expires_at if present is not None else None
    if ttl is Expiry.CLEAR:
        return None
    return now + ttl


def alive(value: Value | None, *, now: float) -> Value | None:
    """Return `value`, or None when it has expired."""
    if value is None or (value.expires_at is not None and now >= value.expires_at):
        return None
    return value


def _fault(shown: str) -> InvalidInput:
    return InvalidInput(f"ttl {shown} is neither 'none' nor seconds from 0 to {MAX_SECONDS}")
