"""What a count of a namespace's keys says, to people and to programs."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from varflow.variables.encryption.keyrings import KeyRing
from varflow.variables.renewal.renewing import Renewed
from varflow.variables.renewal.steps import LEFT, Step
from varflow.variables.renewal.tallies import PLAIN, TITLES, Kind, Tally
from varflow.variables.scopes import Owners
from varflow_cli.console import streams, tables

_HEADER: Final = ("KEY", "", "WHAT", "OBJECTS", "SIZE")
_WHY: Final = {
    Step.CLAIM: "in the middle of a commit",
    Step.STALE: "older revisions of variables that are gone, which a sweep removes",
    Step.CLOSED: "cannot be opened",
    Step.BROKEN: "are damaged, see `varflow store check`",
    Step.BUSY: "are being written again and again",
}
_WHAT_THEN: Final = {
    Kind.UNNAMED: "a sweep removes them once nobody can be reading them, after a day",
    Kind.INSTANCES: "they end with their instances",
}
"""What becomes of what is not encrypted anew."""


@dataclass(slots=True)
class Report:
    """What was counted, and done before."""

    owners: Owners
    ring: KeyRing
    tally: Tally
    steps: Counter[Step] = field(default_factory=Counter)
    examples: dict[Step, Renewed] = field(default_factory=dict)

    @property
    def current(self) -> str:
        """Id of the key that is written with."""
        return self.ring.current.name

    @property
    def remaining(self) -> int:
        """How many objects are not encrypted with it."""
        return self.tally.total - self.tally.objects(self.current)

    @property
    def renewed(self) -> int:
        """How many objects were encrypted anew."""
        return self.steps[Step.SEAL] + self.steps[Step.MOVE]

    def has(self, key: str) -> bool:
        """Tell whether a key of that id is here."""
        return any(it.name == key for it in self.ring.keys)

    def add(self, renewed: Renewed) -> None:
        """Take in what became of an object."""
        self.steps[renewed.step] += 1
        self.examples.setdefault(renewed.step, renewed)


def as_text(report: Report) -> str:
    """Return a table of what is sealed with which key, the present one first."""
    rows = [
        (key or "-", _state(report, key), TITLES[kind], str(it.objects), tables.size(it.size))
        for key in _keys(report)
        for kind, it in report.tally.of(key)
    ]
    return tables.align([_HEADER, *rows])


def as_json(report: Report, *, url: str) -> bytes:
    """Return one object for programs."""
    whole = {
        "store": url,
        "cluster": report.owners.cluster,
        "namespace": report.owners.namespace,
        "ok": report.remaining == 0,
        "current": report.current,
        "objects": report.tally.total,
        "remaining": report.remaining,
        "keys": [_object(report, key) for key in _keys(report)],
        "steps": {step.value: report.steps[step] for step in Step if report.steps[step]},
        "notes": notes(report),
    }
    return orjson.dumps(whole, option=orjson.OPT_APPEND_NEWLINE)


def notes(report: Report) -> list[str]:
    """Return what there is to say about what was left, and what becomes of it."""
    left = [(step, report.examples[step]) for step in Step if step in LEFT & report.steps.keys()]
    said = [
        f"left, {_WHY[step]}: {report.steps[step]}, such as {streams.visible(it.path)}"
        for step, it in left
    ]
    others = {kind for key in _keys(report)[1:] for kind, _ in report.tally.of(key)}
    return said + [
        f"{TITLES[kind]}: {_WHAT_THEN[kind]}" for kind in Kind if kind in others & _WHAT_THEN.keys()
    ]


def summary(report: Report, *, is_writing: bool) -> str:
    """Say in a line whether everything needs the present key only."""
    done = f"encrypted anew: {report.renewed}; " if is_writing else ""
    verdict = (
        f"not encrypted with key {report.current}: {report.remaining}"
        if report.remaining
        else f"everything is encrypted with key {report.current}"
    )
    return f"{done}{verdict} (objects: {report.tally.total})"


def describe(tally: Tally, key: str) -> str:
    """Say in a line what is sealed with a key."""
    return ", ".join(f"{TITLES[kind]}: {count.objects}" for kind, count in tally.of(key))


def _keys(report: Report) -> list[str]:
    """Return the keys there are and those that something is sealed with, the present one first."""
    here = [key.name for key in report.ring.keys]
    return [*here, *(key for key in report.tally.used() if key not in here)]


def _state(report: Report, key: str) -> str:
    if key == report.current:
        return "current"
    if key == PLAIN:
        return "plain"
    return "older" if report.has(key) else "missing"


def _object(report: Report, key: str) -> dict[str, Any]:
    return {
        "id": key or None,
        "state": _state(report, key),
        "objects": report.tally.objects(key),
        "kinds": [
            {"kind": kind, "objects": count.objects, "size": count.size}
            for kind, count in report.tally.of(key)
        ],
    }
