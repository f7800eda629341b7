"""The probe of a store: carries out the `checks`, and says which promises hold.

    operator's start, command line ──► probe ──► checks, below probes/<id>/ ──► Report

Some 130 requests, as many at one time as can be, done within a second by most servers. The records
go when the probe ends, also when it fails in the middle. What a process that was killed leaves
there is never read, and is removed by a later probe; its age is told by the store's own clock.

A failing request ends the probe with that error: a store that is away has not lied. So does its
deadline, once the requests under way have ended: a driver's threads cannot be interrupted.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, assert_never

from varflow.errors import StoreUnavailable
from varflow.variables import paths
from varflow.variables.background import Background, all_of
from varflow.variables.probe import checks
from varflow.variables.probe.checks import Check, Delete, Get, List, Put, Step
from varflow.variables.probe.promises import TEXTS, Promise, Verdict
from varflow.variables.stores.base import Conflict, Listed, ObjectStore

VERSION: Final = 1
"""Grows when checks are added or change: what an older probe has found is then out of date."""

LONGEST_SECONDS: Final = 10.0
"""Ten times what a probe takes over a usual server; one that needs longer is of no use now."""

_CLEAR_SECONDS: Final = 5.0
_LEFT_SECONDS: Final = 3600.0
"""Age of leftovers: much longer than any probe lasts."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check came to."""

    check: Check
    fault: str = ""
    """What is wrong; empty when nothing is."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a probe has found; no findings for a store that needs none."""

    findings: Sequence[Finding] = ()
    seconds: float = 0.0

    @property
    def faults(self) -> Sequence[Finding]:
        """The checks that failed."""
        return [finding for finding in self.findings if finding.fault]

    @property
    def verdict(self) -> Verdict:
        """Which promises do not hold."""
        return Verdict(frozenset().union(*(finding.check.off for finding in self.faults)))


async def probe_at_start(store: ObjectStore) -> Report:
    """Probe the store, unless its conditions are the driver's own work; see `probe`."""
    return await probe(store) if store.needs_probe else Report()


async def probe(store: ObjectStore, *, longest_seconds: float = LONGEST_SECONDS) -> Report:
    """Carry out all checks against an open store.

    Raises:
        StoreUnavailable: the store is away, or took too long.
        StoreError: it cannot be used; nothing is known about its promises.
    """
    began = time.monotonic()
    scratch, background = _Scratch(store), Background()
    try:
        async with asyncio.timeout(longest_seconds):
            faults = await all_of(*map(scratch.carry_out, checks.CHECKS))
    except TimeoutError as error:
        raise StoreUnavailable(
            f"the store {store.url} did not answer the {len(checks.CHECKS)} checks of the probe"
            f" within {longest_seconds:g} s; try again when it is less busy"
        ) from error
    finally:
        background.start(scratch.clear(), name=f"removing the probe's records in {store.url}")
        await background.settle()
    findings = tuple(map(Finding, checks.CHECKS, faults))
    return Report(findings, seconds=time.monotonic() - began)


def describe(verdict: Verdict) -> str:
    """Say which promises do not hold. PURE."""
    broken = [promise for promise in Promise if not verdict.keeps(promise)]
    return ", ".join(f"{promise} ({TEXTS[promise]})" for promise in broken)


def complain(report: Report, url: str) -> str:
    """Say what is wrong with a store, and what is lost by it. PURE."""
    faults = "; ".join(f"{finding.check.name}: {finding.fault}" for finding in report.faults)
    return f"the store {url} does not do what it says ({faults}); off: {describe(report.verdict)}"


class _Scratch:
    """Where one probe works."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._probe = secrets.token_hex(8)
        self._touched: set[str] = set()

    async def carry_out(self, check: Check) -> str:
        """Return the check's fault; begin once more, elsewhere, when an answer does not come."""
        try:
            return await self._try(check, check.name)
        except StoreUnavailable:
            return await self._try(check, f"{check.name}-again")

    async def _try(self, check: Check, folder: str) -> str:
        trial = check.run()
        steps = next(trial)
        while True:
            answers = await all_of(*(self._do(folder, step) for step in steps))
            try:
                steps = trial.send(answers)
            except StopIteration as end:
                return str(end.value)

    async def clear(self) -> None:
        """Remove what this probe has written, and what others have left long ago."""
        async with asyncio.timeout(_CLEAR_SECONDS):
            found = [listed async for listed in self._store.list(paths.PROBES)]
            gone = self._touched | _left_long_ago(found)
            await all_of(*map(self._store.delete, sorted(gone)))

    async def _do(self, folder: str, step: Step) -> Any:
        match step:
            case Put():
                return await self._put(folder, step)
            case Get(name):
                return await self._store.get(self._path(folder, name))
            case Delete(name):
                await self._store.delete(self._path(folder, name))
            case List(after):
                return await self._list(folder, after=after)
            case _:
                assert_never(step)
        return None

    async def _put(self, folder: str, put: Put) -> str | None:
        path = self._path(folder, put.name)
        self._touched.add(path)
        try:
            return await self._store.put(path, put.data, condition=put.condition)
        except Conflict:
            return None

    async def _list(self, folder: str, *, after: str) -> list[str]:
        start = self._path(folder, "")
        found = self._store.list(start, after=after and start + after)
        return [listed.path.removeprefix(start) async for listed in found]

    def _path(self, folder: str, name: str) -> str:
        return paths.probe_record(self._probe, folder, name)


def _left_long_ago(found: Sequence[Listed]) -> set[str]:
    """Return what is much older than the newest record, which is this probe's. PURE."""
    newest = max((listed.modified for listed in found), default=0.0)
    return {listed.path for listed in found if listed.modified < newest - _LEFT_SECONDS}
