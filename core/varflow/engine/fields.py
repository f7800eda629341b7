"""Checks on values that expressions gave: keys, scopes and texts. PURE.

Loading a workflow checks what is written there; what an expression yields is known only now, and is
the workflow's error, with a code that it can catch (direktiv-contract.md §2.5).
"""

from __future__ import annotations

from varflow.engine import codes
from varflow.engine.faults import StateError
from varflow.engine.messages import Json
from varflow.errors import InvalidKey, InvalidScope
from varflow.variables import keys, scopes


def parse_text(where: str, value: Json) -> str:
    """Return `value` if it is a string.

    Raises:
        StateError: it is not.
    """
    if not isinstance(value, str):
        raise StateError(codes.NOT_STRING, f"{where}: {_kind(value)} is not a string")
    return value


def parse_key(where: str, value: Json) -> str:
    """Return `value` if it is a variable's name.

    Raises:
        StateError: it is not a string, is empty, or breaks the rule for keys.
    """
    text = parse_text(where, value)
    if not text:
        raise StateError(codes.NOT_STRING, f"{where}: the key is empty; give a name")
    try:
        return keys.parse(text)
    except InvalidKey as error:
        raise StateError(codes.INVALID_KEY, f"{where}: {error}") from error


def parse_scope(where: str, value: Json) -> str:
    """Return `value` if it is a scope's name.

    Raises:
        StateError: it is not.
    """
    text = parse_text(where, value)
    try:
        return scopes.parse(text).value
    except InvalidScope as error:
        raise StateError(codes.INVALID_SCOPE, f"{where}: {error}") from error


def _kind(value: Json) -> str:
    names: dict[type, str] = {bool: "a truth value", list: "an array", dict: "an object"}
    return "null" if value is None else names.get(type(value), "a number")
