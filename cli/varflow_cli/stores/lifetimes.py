"""The end of a workflow's or namespace's variables, where no cluster deletes their owner."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import AsyncIterator

from varflow.variables import paths
from varflow.variables.scopes import Owners, Scope
from varflow.variables.variables import Variables
from varflow_cli.stores import storing, trusting


async def end_workflow(url: str, owners: Owners, *, accepts_unsafe_store: bool) -> int:
    """Remove the workflow's variables and states and return how many there were."""
    async with _opened(url, accepts_unsafe_store=accepts_unsafe_store) as variables:
        return await variables.remove_workflow(owners)


async def end_namespace(url: str, owners: Owners, *, accepts_unsafe_store: bool) -> int:
    """Remove everything of the namespace and return how many variables of it there were."""
    async with _opened(url, accepts_unsafe_store=accepts_unsafe_store) as variables:
        count = await variables.clear_scope(owners, Scope.NAMESPACE)
        for workflow in await _workflows(variables, owners):
            owner = dataclasses.replace(owners, workflow=workflow)
            count += await variables.remove_workflow(owner)
        # What instances that were killed have left, and bodies that nobody names any more.
        await variables.remove_namespace(owners)
        return count


def describe(count: int) -> str:
    """Say how many variables were removed; states count as such."""
    return "1 variable removed" if count == 1 else f"{count} variables removed"


@contextlib.asynccontextmanager
async def _opened(url: str, *, accepts_unsafe_store: bool) -> AsyncIterator[Variables]:
    async with storing.open_variables(url, creates=False) as variables:
        await trusting.ask(variables.store, accepts_unsafe=accepts_unsafe_store)
        yield variables


async def _workflows(variables: Variables, owners: Owners) -> list[str]:
    """Return the workflows that own variables or states in the namespace."""
    root = paths.namespace_prefix(owners)
    found = [
        paths.parse(listed.path)
        for part in ("w/", "s/", "h/w/")
        async for listed in variables.store.list(root + part)
    ]
    return list(dict.fromkeys(place.owner for place in found if place is not None))
