"""What must hold of a variable for a write to be carried out. PURE.

HTTP's `If-Match` and `If-None-Match: *`, and `create`, checked against the variable as it is when
it is replaced: the compare-and-swap on its record makes check and write one step. A variable that
has expired is absent here as everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass

from varflow.errors import PreconditionFailed, VariableExists
from varflow.variables.records import Value


def etag(value: Value) -> str:
    """Return the strong entity tag that clients see: the revision in quotes."""
    return f'"{value.rev}"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """The conditions of one write; none by default."""

    if_match: str | None = None
    """As in the header: `*`, or entity tags with commas between; a bare revision will do."""
    if_none_match: bool = False
    """True for `If-None-Match: *`."""
    create: bool = False

    def __bool__(self) -> bool:
        return self.create or self.if_none_match or self.if_match is not None

    def check(self, live: Value | None, *, name: str) -> None:
        """Do nothing if the conditions hold for the variable `name`, whose value is `live`.

        Raises:
            VariableExists: `create` met a variable.
            PreconditionFailed: one of the others does not hold.
        """
        if self.create and live is not None:
            raise VariableExists(f"variable {name} exists already; 'set' would replace it")
        if self.if_none_match and live is not None:
            raise PreconditionFailed(f"variable {name} exists, with revision {live.rev}")
        if self.if_match is not None and not _is_match(self.if_match, live):
            found = "does not exist" if live is None else f"has revision {live.rev}"
            raise PreconditionFailed(f"variable {name} {found}, not {self.if_match}")


def _is_match(if_match: str, live: Value | None) -> bool:
    if live is None:
        return False
    wanted = {tag.strip() for tag in if_match.split(",")}
    return not wanted.isdisjoint({"*", live.rev, etag(live)})
