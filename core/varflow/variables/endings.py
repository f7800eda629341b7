"""The end of variables' lives: with their instance, their workflow, their namespace.

Removing is restartable: what is left after a crash at any step is found by the same listing again.

*A scope* (`clear_scope`): each record, then the bodies it names; then its older revisions likewise.
Dying between the two leaves a body that no record names, which nobody can see and a sweeper
removes; the other order would leave variables that exist but cannot be read. A claim of a commit
under way is settled first, since removing the record under it would tear that commit. The owner is
gone or going: a write that races with this goes with it.

*An instance* (`end_instance`): first every decision is made final, committed ones finished and all
others abandoned, for they may still change variables of the workflow and the namespace; only then
go the variables, the data, and at last the decisions. **A decision is also a fence**: an attempt
that was stopped and goes on after its decision was removed would find none and commit. So
decisions, and the results they name, stay until the caller says that no attempt can be left
(`keep_until`: the latest deadline plus an hour, design.md §6, or None when every pod has said so);
calling again after that removes the rest.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from varflow.variables import paths
from varflow.variables.records import Value
from varflow.variables.scopes import Owners, Scope
from varflow.variables.stores.base import ObjectStore
from varflow.variables.writes import pendings
from varflow.variables.writes.commits import Commits
from varflow.variables.writes.decisions import Kind


async def clear_scope(
    store: ObjectStore, owners: Owners, scope: Scope, *, clock: Callable[[], float]
) -> int:
    """Remove all variables of a scope and return how many records held a value."""
    prefix = paths.scope_prefix(owners, scope)
    count = await _clear(store, owners, prefix, clock=clock)
    if scope is not Scope.INSTANCE:
        await _clear(store, owners, paths.revisions_prefix(prefix), clock=clock)
    return count


async def clear_states(store: ObjectStore, owners: Owners, *, clock: Callable[[], float]) -> int:
    """Remove all states of a workflow and return how many there were."""
    return await _clear(store, owners, paths.states_prefix(owners), clock=clock)


async def end_instance(
    store: ObjectStore,
    commits: Commits,
    owners: Owners,
    *,
    keep_until: float | None,
    kept_data: str = "",
    clock: Callable[[], float],
) -> None:
    """Remove what ends with an instance; see the module's text."""
    await _make_decisions_final(store, commits, owners)
    await clear_scope(store, owners, Scope.INSTANCE, clock=clock)
    if keep_until is None or clock() >= keep_until:
        kept = paths.data(owners, kept_data) if kept_data else ""
        await remove_all(store, paths.data_prefix(owners), but=kept)
        await remove_all(store, paths.decisions_prefix(owners))


async def remove_instance(
    store: ObjectStore,
    commits: Commits,
    owners: Owners,
    *,
    keep_until: float | None,
    clock: Callable[[], float],
) -> None:
    """Remove what goes with an instance's object: what has ended before, its log and its output."""
    await end_instance(store, commits, owners, keep_until=keep_until, clock=clock)
    await remove_all(store, paths.log_prefix(owners))


async def remove_all(store: ObjectStore, prefix: str, *, but: str = "") -> int:
    """Remove every object whose path begins with `prefix`, except one, and return how many."""
    count = 0
    async with aclosing(_paths(store, prefix)) as found:
        async for path in found:
            if path != but:
                await store.delete(path)
                count += 1
    return count


async def _clear(
    store: ObjectStore, owners: Owners, prefix: str, *, clock: Callable[[], float]
) -> int:
    count = 0
    async with aclosing(_paths(store, prefix)) as found:
        async for path in found:
            count += await _remove_record(store, owners, path, clock=clock)
    return count


async def _make_decisions_final(store: ObjectStore, commits: Commits, owners: Owners) -> None:
    async with aclosing(_paths(store, paths.decisions_prefix(owners))) as found:
        async for path in found:
            if (await pendings.finish_decision(store, path)).kind is Kind.COMMITTED:
                continue
            if await commits.abandon(path) is not None:
                # It has committed between the two.
                await pendings.finish_decision(store, path)


async def _remove_record(
    store: ObjectStore, owners: Owners, path: str, *, clock: Callable[[], float]
) -> bool:
    seen = await pendings.clear(store, path, clock=clock)
    await store.delete(path)
    if seen.current is not None:
        await _remove_body(store, owners, seen.current)
    return seen.current is not None


async def _remove_body(store: ObjectStore, owners: Owners, value: Value) -> None:
    if value.body is not None:
        await store.delete(paths.body(owners, value.body))


async def _paths(store: ObjectStore, prefix: str) -> AsyncGenerator[str, None]:
    async for listed in store.list(prefix):
        yield listed.path
