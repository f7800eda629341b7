"""ISO 8601 durations, such as PT5S or P1DT12H, as seconds. PURE.

A day is 24 hours, a month 30 days and a year 365: a duration means the same whenever it begins.
Rejected: Direktiv's calendar arithmetic, under which `P1M` of a delay is 28 to 31 days.
"""

from __future__ import annotations

import re
from typing import Any

MAX_SECONDS = 100 * 365 * 86400.0
"""Longest duration: what lies behind it no timer and no date can hold safely."""

_NUMBER = r"(\d+(?:[.,]\d+)?)"
_PATTERN = re.compile(
    rf"P(?:{_NUMBER}Y)?(?:{_NUMBER}M)?(?:{_NUMBER}W)?(?:{_NUMBER}D)?"
    rf"(T(?:{_NUMBER}H)?(?:{_NUMBER}M)?(?:{_NUMBER}S)?)?",
    re.ASCII,
)
_COLLOQUIAL = re.compile(
    r"(\d{1,9}d)?(\d{1,9}h)?(\d{1,9}m)?(\d{1,9}(?:\.\d{1,3})?s)?", re.ASCII | re.IGNORECASE
)
"""How people and Go write durations."""
_SECONDS = (365 * 86400, 30 * 86400, 7 * 86400, 86400, 3600, 60, 1)


def parse(value: Any) -> float:
    """Return the length of an ISO 8601 duration in seconds.

    Raises:
        ValueError: `value` is no such text, is negative, or is longer than 100 years.
    """
    if not isinstance(value, str):
        raise ValueError(
            f"must be an ISO 8601 duration such as PT5S, not {value!r}{_advice(value)}"
        )
    match = _PATTERN.fullmatch(value.strip())
    if not match:
        said = f"{_shown(value)} is not an ISO 8601 duration such as PT5S or P1DT12H"
        raise ValueError(f"{said}{_advice(value)}")
    numbers, clock = [*match.groups()[:4], *match.groups()[5:]], match[5]
    given = [number for number in numbers if number is not None]
    if not given or clock == "T":
        raise ValueError(f"{_shown(value)} names no unit, as PT5S or P1DT12H do")
    if any(set(number) & set(".,") for number in given[:-1]):
        raise ValueError(f"{_shown(value)} has a fraction before its last unit")
    return _bounded(value, _total(numbers))


def _total(numbers: list[str | None]) -> float:
    pairs = zip(numbers, _SECONDS, strict=True)
    return sum(float(number.replace(",", ".")) * unit for number, unit in pairs if number)


def _bounded(value: str, seconds: float) -> float:
    if seconds > MAX_SECONDS:
        raise ValueError(f"{_shown(value)} is longer than 100 years")
    return seconds


def _advice(value: Any) -> str:
    """Return how a duration in another form is perhaps written: seconds, or as `1h30m`."""
    is_number = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    match = _COLLOQUIAL.fullmatch(f"{value}s" if is_number else str(value).strip())
    if match is None or not any(match.groups()):
        return ""
    days, hours, minutes, seconds = (it.upper() if it else "" for it in match.groups())
    clock = f"{hours}{minutes}{seconds}"
    return f"; write P{days}{'T' if clock else ''}{clock}"


def _shown(value: str) -> str:
    return repr(value if len(value) <= 40 else value[:37] + "...")
