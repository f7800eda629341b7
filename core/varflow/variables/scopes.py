"""Where a variable lives: its scope, and who owns that scope. PURE.

An `Owners` value names the namespace, workflow and instance that an action belongs to; with a
`Scope` and a key it gives an `Address`, and `paths` turns that into an object's path. UIDs are
used wherever a cluster gives them, so that a deleted and re-created workflow does not find its
predecessor's variables; locally a UID is the name (design.md §6). States are no variables: no scope
shows them and no key reaches them, hence a kind of address of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from varflow.errors import InvalidScope
from varflow.variables import keys


class Scope(StrEnum):
    """How long a variable lives and who sees it (seed: Direktiv's persistent data, "Scopes")."""

    INSTANCE = "instance"
    WORKFLOW = "workflow"
    NAMESPACE = "namespace"


def parse(text: str | None) -> Scope:
    """Return the scope named `text`; nothing given means the instance's (design.md §5).

    Raises:
        InvalidScope: `text` is none of the three names.
    """
    if text is None:
        return Scope.INSTANCE
    try:
        return Scope(text)
    except ValueError:
        names = ", ".join(Scope)
        raise InvalidScope(f"unknown scope {text!r}; a scope is one of {names}") from None


@dataclass(frozen=True, slots=True)
class Owners:
    """The UIDs behind the three scopes of one instance."""

    cluster: str
    namespace: str
    workflow: str
    instance: str


@dataclass(frozen=True, slots=True)
class Address:
    """One variable of one owner."""

    owners: Owners
    scope: Scope
    key: str

    def __str__(self) -> str:
        return f"{self.scope}/{self.key}"


@dataclass(frozen=True, slots=True)
class StateAddress:
    """The state of one function and trigger; it lives as long as the workflow."""

    owners: Owners
    key: str
    """Its name, see `states.States`."""

    def __str__(self) -> str:
        return f"state {self.key}"


AnyAddress = Address | StateAddress
"""What has a record: a variable or a state."""


def address(owners: Owners, scope: str | None, key: str) -> Address:
    """Parse what a caller sent into an address.

    Raises:
        InvalidScope: the scope is unknown.
        InvalidKey: the key breaks the rule.
    """
    return Address(owners, parse(scope), keys.parse(key))
