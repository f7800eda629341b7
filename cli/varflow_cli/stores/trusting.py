"""Whether a store keeps Varflow's promises: probed once a day by each user, and noted.

A probe is some 130 requests, which each `varflow var set` should not pay for. The note is in the
user's cache folder, one file a store. Rejected: a note in the store beside the layout marker. A
copy of the store on another server would bring along what was found about the first one, and each
command would pay a request to read it.

Who only reads is not asked: a read can do no harm, and the reader may have no right to write.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from varflow.errors import InvalidInput, StoreUnsafe
from varflow.variables.probe import probing
from varflow.variables.probe.probing import Report
from varflow.variables.probe.promises import KEPT, Verdict
from varflow.variables.stores.base import ObjectStore
from varflow_cli.console import streams
from varflow_cli.console.failures import Mistake
from varflow_cli.stores import storing

_FRESH_SECONDS: Final = 24 * 3600
"""Servers are upgraded and replaced, but not behind the back of a whole working day."""
_ADVICE: Final = (
    "use another store, or go on with --accept-unsafe-store; `varflow store probe` looks again"
)


@dataclass(frozen=True, slots=True)
class Note:
    """What a probe found."""

    verdict: Verdict
    complaint: str
    """What is wrong with the store; empty when nothing is."""


async def ask(store: ObjectStore, *, accepts_unsafe: bool | None) -> None:
    """Have a command go on only over a store that is trusted, or accepted; see `trust`.

    `accepts_unsafe` is None for who only reads.
    """
    if accepts_unsafe is not None:
        await trust(store, accepts_unsafe=accepts_unsafe, warn=streams.warn)


async def trust(
    store: ObjectStore, *, accepts_unsafe: bool, warn: Callable[[str], None]
) -> Verdict:
    """Return which promises hold over an open store, of a note or by a probe.

    Raises:
        StoreUnsafe: not all, and that is not accepted.
        StoreError: the store cannot be probed.
    """
    if not store.needs_probe:
        return KEPT
    note = _find(store.url, now=time.time())
    if note is None:
        note = remember(store.url, await probing.probe(store))
    if note.verdict:
        return note.verdict
    if not accepts_unsafe:
        raise StoreUnsafe(f"{note.complaint}; {_ADVICE}")
    warn(f"{note.complaint}; this is accepted")
    return note.verdict


def remember(url: str, report: Report) -> Note:
    """Note what a probe has found, if there is a place for that, and return the note."""
    note = Note(report.verdict, probing.complain(report, url) if report.faults else "")
    # Without a note the next command probes again: slower, and nothing is wrong.
    with contextlib.suppress(OSError, Mistake):
        _write(_file(url), _encode(note, now=time.time()))
    return note


def _find(url: str, *, now: float) -> Note | None:
    try:
        return _decode(_file(url).read_bytes(), now=now)
    except (OSError, Mistake):
        return None


def _encode(note: Note, *, now: float) -> bytes:
    return orjson.dumps(
        {
            "probe": probing.VERSION,
            "at": now,
            "broken": str(note.verdict),
            "complaint": note.complaint,
        }
    )


def _decode(data: bytes, *, now: float) -> Note | None:
    """Return a note that still counts; one that cannot be read is as good as none."""
    try:
        found: dict[str, Any] = orjson.loads(data)
        if found["probe"] != probing.VERSION or not 0 <= now - found["at"] < _FRESH_SECONDS:
            return None
        return Note(Verdict.decode(found["broken"]), str(found["complaint"]))
    except (orjson.JSONDecodeError, LookupError, TypeError, AttributeError, InvalidInput):
        return None


def _file(url: str) -> Path:
    name = hashlib.sha256(url.encode()).hexdigest()[:32]
    return storing.cache_folder(os.environ) / "probes" / f"{name}.json"


def _write(file: Path, data: bytes) -> None:
    """Write a file at one moment: another command may be reading it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=file.parent, delete=False) as temporary:
        temporary.write(data)
    os.replace(temporary.name, file)
