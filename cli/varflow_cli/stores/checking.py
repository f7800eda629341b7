"""`varflow store check`: what is in a store, what is wrong with it, and mending what can be mended.

territories ─► sweep each namespace ─► Tally ─► a table, or JSON
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import orjson

from varflow.errors import StoreError
from varflow.variables import layouts, paths
from varflow.variables.stores.base import ObjectStore
from varflow.variables.sweep import sweeps
from varflow.variables.sweep.findings import TITLES, Ages, Finding, Kind
from varflow.variables.sweep.sweeps import Sweep, Swept
from varflow_cli.console import streams, tables
from varflow_cli.console.failures import Mistake
from varflow_cli.stores import encrypting, storing, trusting

_EXAMPLES: Final = 3
_HEADER: Final = ("WHAT", "COUNT", "WRONG", "REPAIRED", "SIZE", "FOR EXAMPLE")


class Whole(Protocol):
    """A store as a whole, and which part of it is meant."""

    def open(self) -> AbstractAsyncContextManager[Part]:
        """Open the store, as long as the context lasts."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What of an open store is checked."""

    store: ObjectStore
    cluster: str
    """Empty for all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalWhole:
    """A store that this machine reaches by its URL."""

    url: str
    cluster: str
    accepts_unsafe_store: bool | None
    """None for who only looks, and need not trust the store."""

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[Part]:
        """Open the store, as long as the context lasts."""
        store = encrypting.wrap(storing.make_store(self.url, creates=False))
        try:
            await store.open()
            await trusting.ask(store, accepts_unsafe=self.accepts_unsafe_store)
            await layouts.check(store, creates=False)
            yield Part(store=store, cluster=self.cluster)
        finally:
            await store.close()


@dataclass(slots=True)
class Row:
    """How often something was found."""

    count: int = 0
    wrong: int = 0
    repaired: int = 0
    size: int = 0
    examples: list[Finding] = field(default_factory=list)

    def add(self, swept: Swept) -> None:
        """Count one more."""
        self.count += 1
        self.wrong += swept.finding.is_wrong
        self.repaired += swept.is_repaired
        self.size += swept.finding.size
        if len(self.examples) < _EXAMPLES:
            self.examples.append(swept.finding)


@dataclass(slots=True)
class Report:
    """What a check has found."""

    rows: dict[Kind, Row] = field(default_factory=dict)
    namespaces: int = 0
    clusters: set[str] = field(default_factory=set)
    objects: int = 0
    notes: list[str] = field(default_factory=list)
    """What was not looked at, and why."""

    @property
    def wrong(self) -> int:
        """How many things are wrong and still there."""
        return sum(max(0, row.wrong - row.repaired) for row in self.rows.values())

    def add(self, swept: Swept) -> None:
        """Take in what became of a finding."""
        self.rows.setdefault(swept.finding.kind, Row()).add(swept)


async def check(whole: Whole, *, ages: Ages, is_repairing: bool) -> Report:
    """Look through a store, and repair what is due if asked.

    Raises:
        Mistake: several clusters share it, and which one is to be repaired was not said.
        StoreError: it cannot be looked through.
    """
    report = Report()
    async with whole.open() as part:
        prefix = paths.cluster_prefix(part.cluster) if part.cluster else ""
        namespaces = [it async for it in _namespaces(part.store, prefix, report)]
        if part.cluster and not namespaces:
            report.notes.append(f"nothing in this store belongs to the cluster {part.cluster}")
        if is_repairing:
            prefix = _only_cluster(report, prefix)
        sweep = Sweep(part.store, clock=time.time, ages=ages, is_repairing=is_repairing)
        for namespace in namespaces:
            await _take_in(sweep.namespace(namespace), report)
        try:
            await _take_in(sweep.unfinished(prefix), report)
        except StoreError as error:
            report.notes.append(f"writes that were never finished were not looked for: {error}")
        report.objects += sweep.count
    return report


async def _namespaces(store: ObjectStore, prefix: str, report: Report) -> AsyncIterator[str]:
    async for territory in sweeps.territories(store, prefix):
        if territory.prefix:
            report.namespaces += 1
            report.clusters.add(territory.prefix.split("/")[1])
            yield territory.prefix
        else:
            report.objects += 1
            stray = Finding(kind=Kind.UNKNOWN_OBJECT, path=territory.stray, is_due=False)
            report.add(Swept(stray, is_repaired=False))


def _only_cluster(report: Report, prefix: str) -> str:
    """Return the prefix of the one cluster that may be repaired."""
    if len(report.clusters) > 1:
        shown = ", ".join(sorted(report.clusters))
        raise Mistake(
            f"several clusters share this store: {shown}; say which one to repair with --cluster"
        )
    return paths.cluster_prefix(*report.clusters) if report.clusters else prefix


async def _take_in(swept: AsyncGenerator[Swept, None], report: Report) -> None:
    async with aclosing(swept) as found:
        async for each in found:
            report.add(each)


# Showing


def as_text(report: Report) -> str:
    """Return a table of what was found, nothing when there is nothing."""
    if not report.rows:
        return ""
    found = [(kind, report.rows[kind]) for kind in Kind if kind in report.rows]
    return streams.printable(tables.align([_HEADER, *(_row(kind, row) for kind, row in found)]))


def as_json(report: Report, *, url: str) -> bytes:
    """Return one object for programs."""
    whole = {
        "store": url,
        "ok": report.wrong == 0,
        "clusters": sorted(report.clusters),
        "namespaces": report.namespaces,
        "objects": report.objects,
        "findings": [_object(kind, report.rows[kind]) for kind in Kind if kind in report.rows],
        "notes": report.notes,
    }
    return orjson.dumps(whole, option=orjson.OPT_APPEND_NEWLINE)


def summary(report: Report) -> str:
    """Say in a line what was looked at, and whether it is as it should be."""
    verdict = f"wrong: {report.wrong}" if report.wrong else "nothing is wrong"
    return f"{verdict} (objects: {report.objects}, namespaces: {report.namespaces})"


def _row(kind: Kind, row: Row) -> tuple[str, ...]:
    example = row.examples[0]
    shown = f"{example.path} ({example.detail})" if example.detail else example.path
    return (
        TITLES[kind],
        str(row.count),
        str(row.wrong),
        str(row.repaired),
        tables.size(row.size) if row.size else "",
        streams.visible(shown),
    )


def _object(kind: Kind, row: Row) -> dict[str, Any]:
    return {
        "kind": kind,
        "count": row.count,
        "wrong": row.wrong,
        "repaired": row.repaired,
        "size": row.size,
        "examples": [{"path": it.path, "detail": it.detail} for it in row.examples],
    }
