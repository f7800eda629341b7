"""What of a user's value may go into a pod: shapes, which keep what they know. PURE.

A shape takes a value and gives back what of it is allowed; of the rest it reports a fault with its
place, and leaves it out. So a pod is built from an allow-list: a field that nobody thought of, also
one that a later Kubernetes adds, never reaches the template (Argo Workflows passed free-form
patches on and had to forbid dangerous ones one by one, CVE-2026-31892).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from varflow.language.expressions import Fault, Path

Shape: TypeAlias = Callable[[Any, Path, list[Fault]], Any]
"""(value, its place, where faults go) -> what may be used of it, or DROPPED."""

DROPPED: Final = object()
"""Nothing of the value may be used."""


def drop(path: Path, faults: list[Fault], message: str) -> Any:
    """Report a fault and return DROPPED."""
    faults.append(Fault(path, message))
    return DROPPED


def mapping(fields: Mapping[str, Shape]) -> Shape:
    """A mapping of which these fields are allowed."""

    def keep(value: Any, path: Path, faults: list[Fault]) -> Any:
        if not isinstance(value, dict):
            return drop(path, faults, "must be a mapping")
        for name in value.keys() - fields.keys():
            drop((*path, str(name)), faults, f"is not allowed here; {', '.join(fields)} are")
        return _kept(
            (name, shape(value[name], (*path, name), faults))
            for name, shape in fields.items()
            if value.get(name) is not None
        )

    return keep


def table(key: Shape, item: Shape) -> Shape:
    """A mapping with any keys that `key` keeps."""

    def keep(value: Any, path: Path, faults: list[Fault]) -> Any:
        if not isinstance(value, dict):
            return drop(path, faults, "must be a mapping")
        return _kept(
            (name, item(value[name], (*path, str(name)), faults))
            for name in value
            if key(name, (*path, str(name)), faults) is not DROPPED
        )

    return keep


def listing(item: Shape) -> Shape:
    """A list of such values."""

    def keep(value: Any, path: Path, faults: list[Fault]) -> Any:
        if not isinstance(value, list | tuple):
            return drop(path, faults, "must be a list")
        kept = [item(entry, (*path, place), faults) for place, entry in enumerate(value)]
        return [entry for entry in kept if entry is not DROPPED]

    return keep


def text(value: Any, path: Path, faults: list[Fault]) -> Any:
    """A string."""
    return value if isinstance(value, str) else drop(path, faults, "must be a string")


def truth(value: Any, path: Path, faults: list[Fault]) -> Any:
    """True or false."""
    return value if isinstance(value, bool) else drop(path, faults, "must be true or false")


def whole(*, least: int) -> Shape:
    """A whole number, at least `least`."""

    def keep(value: Any, path: Path, faults: list[Fault]) -> Any:
        if isinstance(value, int) and not isinstance(value, bool) and value >= least:
            return value
        return drop(path, faults, f"must be a whole number, at least {least}")

    return keep


def one_of(**shapes: Shape) -> Shape:
    """A mapping with exactly one of these fields."""
    inner = mapping(shapes)

    def keep(value: Any, path: Path, faults: list[Fault]) -> Any:
        kept = inner(value, path, faults)
        if kept is DROPPED or len(kept) == 1:
            return kept
        return drop(path, faults, f"needs exactly one of {', '.join(shapes)}")

    return keep


def plain(value: Any, path: Path, faults: list[Fault]) -> Any:
    """Any JSON value: for what has no power over the pod, and is the API server's to check."""
    return value


def _kept(entries: Any) -> dict[str, Any]:
    return {name: value for name, value in entries if value is not DROPPED}
