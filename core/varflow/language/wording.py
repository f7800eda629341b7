"""What pydantic finds, in the words of this product. PURE.

Messages say what is wrong with the field that is named before them, and what to do. They show a
value only where a name was misspelt: a file may hold secrets.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from varflow.language.codes import Code
from varflow.language.expressions import Fault

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

OURS = "varflow"
"""Type of the pydantic errors whose message is already ours."""
_CLOSE = 0.7
"""How alike names are that may be meant: `function` and `action` are, `any` and `and` are not."""
_MOST_NAMES = 200
"""Names among which a misspelt one is looked for: each comparison costs some 50 µs."""


def translate(
    error: ValidationError,
    names: Sequence[str],
    *,
    absent: Mapping[str, str],
    later: Mapping[str, str],
    elsewhere: Mapping[str, str],
) -> list[Fault]:
    """Return the faults of a model whose fields are `names`; the mappings are those of `Model`."""
    faults = []
    for found in error.errors(include_url=False):
        name = str(found["loc"][-1]) if found["loc"] else ""
        if found["type"] == "extra_forbidden" and len(found["loc"]) == 1:
            faults.append(_unknown(name, names, later, elsewhere))
        elif found["type"] == "too_short" and found["input"]:
            pass  # not empty: what is in it was found wrong
        elif found["type"] == "missing" and name in absent:
            faults.append(Fault(found["loc"], absent[name], code=Code.MISSING_FIELD))
        else:
            faults.append(_fault(found))
    return faults


def nearest(name: Any, known: Iterable[str]) -> str:
    """Return the known name that was perhaps meant, or an empty string."""
    by_lower = {item.lower(): str(item) for item in known}
    if not isinstance(name, str) or len(by_lower) > _MOST_NAMES:
        return ""
    found = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=_CLOSE)
    return by_lower[found[0]] if found else ""


def kind_of(value: Any) -> str:
    """Return what a YAML value is, in words."""
    kinds = {
        type(None): "null",
        bool: "a truth value",
        dict: "a mapping",
        list: "a list",
        float: "a fraction",
    }
    return kinds.get(type(value), "a string" if isinstance(value, str) else "a number")


def not_a_string(value: Any) -> str:
    """Return what to say of something else where a string is wanted."""
    advice = "; put it in quotes" if isinstance(value, (bool, int, float)) else ""
    return f"must be a string, not {kind_of(value)}{advice}"


def not_a_list(value: Any) -> str:
    """Return what to say of something else where a list is wanted."""
    advice = "; each of its entries begins with '- '" if isinstance(value, dict) else ""
    return f"must be a list, not {kind_of(value)}{advice}"


def too_long(length: int, most: int) -> str:
    """Return what to say of a text that is longer than it may be."""
    return f"has {length} characters; at most {most} are allowed"


def too_many(length: int, most: int) -> str:
    """Return what to say of a list or mapping that holds more than it may."""
    return f"has {length} entries; at most {most} are allowed"


def shown(text: str) -> str:
    """Return a text in quotes, shortened."""
    return repr(text if len(text) <= 60 else text[:57] + "...")


def _unknown(
    name: str, names: Sequence[str], later: Mapping[str, str], elsewhere: Mapping[str, str]
) -> Fault:
    if name in elsewhere:
        message = f"unknown field here; {elsewhere[name]}"
        return Fault((name,), message, code=Code.UNKNOWN_FIELD)
    if name in later:
        return Fault((name,), later[name], code=Code.NOT_SUPPORTED)
    return Fault((name,), "unknown field", nearest(name, names), Code.UNKNOWN_FIELD)


def _fault(found: ErrorDetails) -> Fault:
    context = found.get("ctx", {})
    if found["type"] == OURS:
        return Fault(found["loc"], context["text"], context["hint"], context["code"])
    say = _WORDS.get(found["type"])
    message = say(found["input"], context) if say else found["msg"]
    hint = ""
    if found["type"] == "literal_error":
        hint = nearest(found["input"], str(context["expected"]).replace("'", "").split(" or "))
    return Fault(found["loc"], message, hint, _code(found["type"]))


def _code(kind: str) -> Code:
    if kind.endswith("_type"):
        return Code.WRONG_TYPE
    return _CODES.get(kind, Code.OUT_OF_BOUNDS if kind in _WORDS else Code.INVALID_VALUE)


def _must_be(what: str) -> Callable[[Any, Mapping[str, Any]], str]:
    return lambda value, _: f"must be {what}, not {kind_of(value)}"


def _one_of(value: Any, context: Mapping[str, Any]) -> str:
    given = shown(value) if isinstance(value, str) else kind_of(value)
    return f"must be {context['expected']}, not {given}"


_CODES: Mapping[str, Code] = {
    "missing": Code.MISSING_FIELD,
    "literal_error": Code.INVALID_VALUE,
}
"""Codes of what is neither a type nor a bound."""
_WORDS: Mapping[str, Callable[[Any, Mapping[str, Any]], str]] = {
    "missing": lambda *_: "is missing",
    "string_type": lambda value, _: not_a_string(value),
    "model_type": _must_be("a mapping"),
    "dict_type": _must_be("a mapping"),
    "tuple_type": lambda value, _: not_a_list(value),
    "bool_type": _must_be("true or false"),
    "int_type": _must_be("a whole number"),
    "float_type": _must_be("a number"),
    "literal_error": _one_of,
    "string_too_short": lambda *_: "is empty",
    "string_too_long": lambda value, context: too_long(len(value), context["max_length"]),
    "too_long": lambda value, context: too_many(len(value), context["max_length"]),
    "too_short": lambda *_: "is empty; at least one is needed",
    "greater_than_equal": lambda value, context: (
        f"is {value}; at least {context['ge']:.10g} is needed"
    ),
    "less_than_equal": lambda value, context: (
        f"is {value}; at most {context['le']:.10g} is allowed"
    ),
}
