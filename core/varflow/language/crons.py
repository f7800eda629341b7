"""When a clock starts instances: what is wrong with a cron expression, in words. PURE.

The five fields of crontab, or a word such as `@daily`, as Direktiv has them.
"""

from __future__ import annotations

import re
from typing import Final

from varflow.language import wording

_MONTHS: Final = [
    "jan",
    "feb",
    "mar",
    "apr",
    "may",
    "jun",
    "jul",
    "aug",
    "sep",
    "oct",
    "nov",
    "dec",
]
_DAYS: Final = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
_FIELDS: Final[tuple[tuple[str, int, int, dict[str, int]], ...]] = (
    ("minute", 0, 59, {}),
    ("hour", 0, 23, {}),
    ("day of the month", 1, 31, {}),
    ("month", 1, 12, {name: place for place, name in enumerate(_MONTHS, 1)}),
    ("day of the week", 0, 6, {name: place for place, name in enumerate(_DAYS)}),
)
"""What each field is called, its least and greatest number, and words for numbers."""
_WORDS: Final = ("@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly")
_EVERY: Final = re.compile(r"@every (?=.)(\d+h)?(\d+m)?(\d+s)?")
_ENTRY: Final = re.compile(r"(?P<all>[*?])|(?P<from>\w+)(-(?P<to>\w+))?", re.ASCII)


def find_fault(text: str) -> str | None:
    """Return what is wrong with a cron expression, or None."""
    if text.startswith("@"):
        return _find_word_fault(text)
    given = text.split()
    if len(given) != len(_FIELDS):
        names = ", ".join(name for name, *_ in _FIELDS)
        return f"{wording.shown(text)} has {len(given)} fields; five are needed: {names}"
    faults = (
        _find_entry_fault(entry, *field)
        for listed, field in zip(given, _FIELDS, strict=True)
        for entry in listed.split(",")
    )
    return next((fault for fault in faults if fault), None)


def _find_word_fault(text: str) -> str | None:
    if text in _WORDS:
        return None
    match = _EVERY.fullmatch(text)
    if match and any(int(it[:-1]) for it in match.groups() if it):
        return None
    return f"{wording.shown(text)} is none of {', '.join(_WORDS)} and @every with a time, as 1h30m"


def _find_entry_fault(
    entry: str, name: str, least: int, most: int, words: dict[str, int]
) -> str | None:
    span, has_step, step = entry.partition("/")
    said = f"{wording.shown(entry)} is no {name}"
    match = _ENTRY.fullmatch(span)
    if not match or (has_step and not (step.isdecimal() and step.isascii() and int(step))):
        return f"{said}; write a number, a range as 1-5, a list as 1,3, or steps as */5"
    if match["all"]:
        return None
    given = [it for it in (match["from"], match["to"]) if it is not None]
    numbers = [words.get(it.lower(), int(it) if it.isdecimal() else -1) for it in given]
    if not all(least <= it <= most for it in numbers):
        return f"{said}; it goes from {least} to {most}"
    return f"{said}; it goes backwards" if numbers[0] > numbers[-1] else None
