"""Where a program that is embedded in a string ends. PURE.

`jq(…)` and `js(…)` end at the bracket that closes the first one, and brackets in strings, comments,
templates and regular expressions do not count. Direktiv counts brackets only, so that `jq("(")` is
an error there; whatever it accepts ends at the same place here, comments with brackets excepted.

Each grammar is a table: which tokens there are in code, and which inside a string that holds code
itself. What is open is an explicit stack, so nesting costs no recursion. A program has a longest
length: a megabyte of brackets would otherwise be counted for seconds only to be refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import cast

MAX_CHARACTERS = 64 * 1024
"""Longest program; the longest in use have some hundreds."""

_CLOSERS = {"(": ")", "[": "]", "{": "}"}
_BRACKETS = r"(?P<open>[(\[{])|(?P<close>[)\]}])"

Grammar = Mapping[str, re.Pattern[str]]
"""The tokens by what is open: a quote's own rule inside it, `code` anywhere else."""

JQ: Grammar = MappingProxyType(
    {
        "code": re.compile(
            # A backslash takes the next character into the comment, a line's end as well (jq 1.8).
            rf'(?P<skip>[^"#()\[\]{{}}]+|#(?:\\[\s\S]|[^\\\n])*)|{_BRACKETS}|(?P<quote>")'
        ),
        '"': re.compile(r'(?P<skip>(?:[^"\\]|\\[^(])+)|(?P<interpolate>\\\()|(?P<close>")'),
    }
)
# Of bounded length, and strings and comments may lack their end: a token costs what it consumes.
_JS_REGEX = r"/(?![/*])(?:\\.|\[(?:\\.|[^\]\\\n]){0,80}\]|[^/\\\[\n]){1,160}/"
JS: Grammar = MappingProxyType(
    {
        "code": re.compile(
            r"(?P<skip>[^\"'`/()\[\]{}]+|//[^\n]*|/\*(?:[\s\S]*?\*/|[\s\S]*)"
            r'|"(?:\\[\s\S]|[^"\\\n])*"?'
            r"|'(?:\\[\s\S]|[^'\\\n])*'?)"
            rf"|(?P<regex>{_JS_REGEX})|{_BRACKETS}|(?P<quote>`)"
        ),
        "`": re.compile(
            r"(?P<skip>(?:[^`\\$]|\\[\s\S]|\$(?!\{))+)|(?P<interpolate>\$\{)|(?P<close>`)"
        ),
    }
)
_BEFORE_REGEX = re.compile(
    r"(?:^|[(,=:\[!&|?{};+\-*%~^<>]|\b(?:return|typeof|case|in|of|delete|void|throw|new|else|do))\s*$"
)
"""What stands before a `/` that begins a regular expression and does not divide."""
_WINDOW = 40
"""How far back that is looked for, so that scanning stays linear."""
_ANY = re.compile(r"[\s\S]")


class UnbalancedError(ValueError):
    """A program without an end, or with a bracket that closes nothing; the message says where."""


class OversizedError(ValueError):
    """A program that is too long to be looked through, or too many of them."""


@dataclass(frozen=True, slots=True)
class _Opened:
    """A bracket, quote or interpolation that is not closed yet."""

    token: str
    offset: int
    closer: str | None


def find_end(text: str, start: int, grammar: Grammar, *, opener: str, closer: str = ")") -> int:
    """Return the index of the `closer` that ends the code beginning at `start`, behind `opener`.

    Raises:
        UnbalancedError: there is none, or another bracket comes first.
        OversizedError: it is too far away.
    """
    return _scan(text, start, grammar, _Opened(opener, start - len(opener), closer))


def check_balance(text: str) -> None:
    """Return if the brackets and strings of a whole jq program are balanced.

    Raises:
        UnbalancedError: they are not.
        OversizedError: the program is too long.
    """
    _scan(text, 0, JQ, _Opened("", 0, None))


def _scan(text: str, position: int, grammar: Grammar, outermost: _Opened) -> int:
    opened = [outermost]
    limit = position + MAX_CHARACTERS
    while position < len(text):
        last = opened[-1]
        if last is outermost and last.closer and text.startswith(last.closer, position):
            return position
        match = _token(text, position, grammar.get(last.token, grammar["code"]))
        _step(opened, match)
        position = match.end()
        if position > limit:
            raise OversizedError(_too_long(outermost))
    if opened[-1].closer is None:
        return position
    raise UnbalancedError(_unclosed(opened[-1], text))


def _token(text: str, position: int, rule: re.Pattern[str]) -> re.Match[str]:
    match = rule.match(text, position)
    if match and match.lastgroup == "regex":
        window = text[max(0, position - _WINDOW) : position]
        if not _BEFORE_REGEX.search(window):
            match = None
    return match or cast("re.Match[str]", _ANY.match(text, position))


def _step(opened: list[_Opened], match: re.Match[str]) -> None:
    token, offset = match[0], match.start()
    match match.lastgroup:
        case "open" | "interpolate":
            opened.append(_Opened(token, offset, _CLOSERS[token[-1]]))
        case "quote":
            opened.append(_Opened(token, offset, token))
        case "close":
            if opened[-1].closer != token:
                raise UnbalancedError(_unopened(token, offset, opened[-1]))
            opened.pop()
        case _:
            pass


def _unopened(token: str, offset: int, last: _Opened) -> str:
    open_ = f"; {last.token!r} at character {last.offset + 1} is open" if last.token else ""
    return f"{token!r} at character {offset + 1} closes nothing{open_}"


def _too_long(outermost: _Opened) -> str:
    token, character = outermost.token, outermost.offset + 1
    begun = f" that {token!r} at character {character} begins" if token else ""
    return f"the program{begun} is longer than {MAX_CHARACTERS} characters"


def _unclosed(last: _Opened, text: str) -> str:
    hint = "; note that a '#' comment runs to the end of its line" if "#" in text else ""
    return f"{last.token!r} at character {last.offset + 1} is never closed{hint}"
