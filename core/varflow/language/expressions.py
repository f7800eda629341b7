"""Values in which strings may be programs: what fields that take expressions become. PURE.

`parse` turns a YAML value into a `Template` once, when the file is loaded; `evaluating` gives a
template its value: it has the sandboxed worker run the `programs`, and `fill`s the results in.
Templates compare, hash and pickle.

What is a program, by dialect (design.md §4, direktiv-contract.md §3.5):

- wrapped: `jq(…)` and `js(…)` in any string, however deep. A string that is nothing else is a
  `Program` and keeps its type; otherwise the pieces are joined to a `Text`. As in Direktiv no word
  boundary is asked for: `v-jq(.n)` and `v_jq(.n)` both hold a program. Literally: `jq("jq(")`.
- bare: a string *is* a jq program (an empty one is the identity). Inside an object or a list the
  strings are literal, with `{{ … }}` around a jq program.

Strings of the workflow are trimmed, literal ones too; what a program gives is not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import orjson

from varflow.language import scanning
from varflow.language.codes import Code

MAX_PROGRAMS = 1000
"""Most programs in one string."""

Path = tuple[str | int, ...]
"""Where something is within a value: keys and indexes."""


class Dialect(StrEnum):
    """How a string says that it is a program (design.md §4)."""

    WRAPPED = "wrapped"
    """`jq(...)` and `js(...)` inside strings."""
    BARE = "bare"
    """The older edition: the whole string is a jq program."""


class Language(StrEnum):
    """What a program is written in."""

    JQ = "jq"
    JS = "js"


@dataclass(frozen=True, slots=True)
class Literal:
    """A value without expressions in it: a scalar, or null."""

    value: Any


@dataclass(frozen=True, slots=True)
class Program:
    """One program that gives the whole value and keeps its type."""

    language: Language
    source: str


@dataclass(frozen=True, slots=True)
class Text:
    """A string with programs in it; strings are put in raw, other values as compact JSON."""

    parts: tuple[str | Program, ...]


@dataclass(frozen=True, slots=True)
class Listing:
    """A list, each element of which is a template."""

    items: tuple[Template, ...]


@dataclass(frozen=True, slots=True)
class Mapping:
    """An object; its keys are literal."""

    entries: tuple[tuple[str, Template], ...]


Template = Literal | Program | Text | Listing | Mapping
KINDS = (Literal, Program, Text, Listing, Mapping)
"""The same, for isinstance."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A string that is no expression, and where in the value it is."""

    path: Path
    message: str
    hint: str = ""
    """The name that was perhaps meant."""
    code: Code = Code.INVALID_VALUE


class InvalidTemplateError(ValueError):
    """A value of which at least one string cannot be read as an expression."""

    def __init__(self, faults: tuple[Fault, ...], template: Template) -> None:
        super().__init__("; ".join(fault.message for fault in faults))
        self.faults = faults
        self.template = template
        """What the value is where it has no fault, so that the rest of it can be checked, too."""


@dataclass(frozen=True, slots=True)
class _Marker:
    """What begins and ends a program within a string."""

    pattern: re.Pattern[str]
    closer: str


_WRAPPED = _Marker(re.compile(r"(jq|js)\("), ")")
_BRACES = _Marker(re.compile(r"()\{\{"), "}}")
_GRAMMARS = {Language.JQ: scanning.JQ, Language.JS: scanning.JS}


def parse(value: Any, dialect: Dialect) -> Template:
    """Return the template of a YAML value.

    Raises:
        InvalidTemplateError: with every string in which a program has no end, or is too long.
    """
    if dialect is Dialect.BARE and isinstance(value, str):
        return _collect(_bare, value)
    marker = _WRAPPED if dialect is Dialect.WRAPPED else _BRACES
    return _collect(lambda text: _embedded(text, marker), value)


def mentions_programs(value: Any) -> bool:
    """Tell whether a string of the value, however deep, holds `jq(` or `js(`."""
    if isinstance(value, str):
        return bool(_WRAPPED.pattern.search(value))
    if isinstance(value, dict):
        return any(mentions_programs(item) for item in value.values())
    return isinstance(value, list) and any(mentions_programs(item) for item in value)


def walk(template: Template) -> Iterator[tuple[Path, Program]]:
    """Yield each program with its place, in the order in which `fill` takes their results."""
    match template:
        case Program():
            yield (), template
        case Text(parts):
            yield from (((), part) for part in parts if isinstance(part, Program))
        case Listing(items):
            yield from _inside(enumerate(items))
        case Mapping(entries):
            yield from _inside(iter(entries))
        case _:
            pass


def fill(template: Template, results: Iterator[Any]) -> Any:
    """Return the template's value, given its programs' results in `walk`'s order."""
    match template:
        case Literal(value):
            return value
        case Program():
            return next(results)
        case Text(parts):
            return "".join(_text(part, results) for part in parts)
        case Listing(items):
            return [fill(item, results) for item in items]
        case Mapping(entries):
            return {key: fill(item, results) for key, item in entries}


def _inside(items: Iterator[tuple[str | int, Template]]) -> Iterator[tuple[Path, Program]]:
    for step, item in items:
        for path, program in walk(item):
            yield (step, *path), program


def _text(part: str | Program, results: Iterator[Any]) -> str:
    value = part if isinstance(part, str) else next(results)
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _collect(parse_text: Callable[[str], Template], value: Any) -> Template:
    faults: list[Fault] = []
    template = _build(value, (), parse_text, faults)
    if faults:
        raise InvalidTemplateError(tuple(faults), template)
    return template


def _build(
    value: Any, path: Path, parse_text: Callable[[str], Template], faults: list[Fault]
) -> Template:
    if isinstance(value, str):
        try:
            return parse_text(value)
        except (scanning.UnbalancedError, scanning.OversizedError) as error:
            faults.append(Fault(path, str(error), code=Code.INVALID_EXPRESSION))
            return Literal(value)
    if isinstance(value, dict):
        return Mapping(
            tuple(
                (key, _build(item, (*path, key), parse_text, faults)) for key, item in value.items()
            )
        )
    if isinstance(value, list | tuple):
        return Listing(
            tuple(_build(item, (*path, i), parse_text, faults) for i, item in enumerate(value))
        )
    return Literal(value)


def _bare(text: str) -> Template:
    source = text.strip()
    scanning.check_balance(source)
    return Program(Language.JQ, source or ".")


def _embedded(text: str, marker: _Marker) -> Template:
    text = text.strip()
    parts: list[str | Program] = []
    position = 0
    while match := marker.pattern.search(text, position):
        if len(parts) >= 2 * MAX_PROGRAMS:
            raise scanning.OversizedError(f"holds more than {MAX_PROGRAMS} programs")
        language = Language(match[1] or "jq")
        end = scanning.find_end(
            text, match.end(), _GRAMMARS[language], opener=match[0], closer=marker.closer
        )
        parts += [
            text[position : match.start()],
            Program(language, text[match.end() : end].strip()),
        ]
        position = end + len(marker.closer)
    return _joined([*parts, text[position:]])


def _joined(parts: list[str | Program]) -> Template:
    given = tuple(part for part in parts if part)
    if not given:
        return Literal("")
    if len(given) > 1:
        return Text(given)
    return Literal(given[0]) if isinstance(given[0], str) else given[0]
