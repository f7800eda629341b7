"""Variables that the files declare: set before the run, when they are not as declared already.

That is `overwrite: IfChanged` of design.md §4: what a function wrote over a declared value is put
back by the next run, and a value that is already there keeps its revision.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from varflow.language.declarations import DeclaredVariable
from varflow.variables import scopes
from varflow.variables.scopes import Address, Owners
from varflow.variables.variables import Variables


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """A declared value and its place."""

    address: Address
    data: bytes
    content_type: str


def resolve(variable: DeclaredVariable, *, owners: Owners, namespace: str | None) -> Declared:
    """Return what a declaration means in a run; a given namespace goes before its own."""
    owner = dataclasses.replace(
        owners,
        namespace=namespace or variable.namespace or owners.namespace,
        workflow=variable.workflow or owners.workflow,
    )
    return Declared(
        address=scopes.address(owner, variable.scope, variable.key),
        data=variable.data,
        content_type=variable.content_type,
    )


async def declare(declared: Iterable[Declared], variables: Variables) -> None:
    """Set the variables that are not as declared."""
    for wanted in declared:
        found = await variables.get(wanted.address)
        is_there = (
            found is not None
            and found.sha256 == hashlib.sha256(wanted.data).hexdigest()
            and found.content_type == wanted.content_type
        )
        if not is_there:
            await variables.set(wanted.address, wanted.data, content_type=wanted.content_type)
