"""What the rules are written with. PURE."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule."""

    kind: str
    at: str
    """Where in the schema, such as `spec.states[]`."""
    cel: str
    message: str
    field: str = ""
    """The field that is to blame, relative to `at`, such as `.scope`."""
    reason: str = "FieldValueInvalid"


def given(field: str) -> str:
    """Say that a field is there and not null."""
    return f"has({field}) && dyn({field}) != null"


def any_of(names: Iterable[str]) -> str:
    """Say that one of the fields is there."""
    return " || ".join(f"has(self.{name})" for name in names)


def exactly_one(names: Iterable[str]) -> str:
    """Say that one of the fields is given, and no other."""
    listed = ", ".join(given(f"self.{name}") for name in names)
    return f"[{listed}].exists_one(it, it)"


def unchanged(field: str) -> str:
    """Say that a field is as it was."""
    both = f"has(self.{field}) == has(oldSelf.{field})"
    return f"{both} && (!has(self.{field}) || self.{field} == oldSelf.{field})"
