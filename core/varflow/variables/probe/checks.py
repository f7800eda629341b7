"""The checks of a store: what each does, and which promises are off when it fails. PURE.

A check is a generator, as the engine is: it yields steps that go on at the same time and is sent
their answers, so that it can be read, and tested, without a store; `probing` carries it out. It
returns what is wrong in words, or nothing.

Many servers that speak S3 take `If-Match` and `If-None-Match` and ignore them: always, when nothing
is there, when several ask at one moment, for some sizes. So each check asks often, at two sizes,
and looks at what is there afterwards: a refused write must have left no trace.

Not checked, because nothing in Varflow relies on it: conditions of DELETE and of multipart uploads
(a tombstone is a PUT, a body never had a predecessor), and tags in `If-None-Match`. Not found by
any probe: what goes wrong once in a thousand times, or only when a node of the server is away.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from varflow.variables.probe.promises import Promise
from varflow.variables.stores.base import ABSENT, Condition, Versioned


@dataclass(frozen=True, slots=True)
class Put:
    """Write a record; answered with its ETag, or None when the condition did not hold."""

    name: str
    data: bytes
    condition: Condition = None


@dataclass(frozen=True, slots=True)
class Get:
    """Read a record; answered with it, or None."""

    name: str


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove a record."""

    name: str


@dataclass(frozen=True, slots=True)
class List:
    """List the names of the check's own records that are greater than `after`."""

    after: str = ""


Step = Put | Get | Delete | List
Trial = Generator[Sequence[Step], Any, str]
"""A check under way; what it returns is the fault, empty when there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that a store must do."""

    name: str
    what: str
    """What is asked of the store, for people."""
    off: frozenset[Promise]
    """The promises that do not hold without it."""
    run: Callable[[], Trial]


_SIZES: Final = (64, 256 * 1024)
"""A usual record, and one longer than what servers keep beside its name, or take in one piece."""
_TRIES: Final = 3
"""Writes that must be refused, each time: some servers honour a condition only now and then."""
_RACERS: Final = 8
_RACES: Final = 2
_READERS: Final = 2
_MADE_UP: Final = '"0123456789abcdef0123456789abcdef"'
"""An ETag that no record has."""


def _creates_once() -> Trial:
    for size in _SIZES:
        name = f"{size}"
        (etag,) = yield [Put(name, _filled("first", size), ABSENT)]
        if etag is None:
            return "a write under `If-None-Match: *` was refused where nothing was"
        again = [Put(name, _filled(f"again {n}", size), ABSENT) for n in range(_TRIES)]
        taken = _count((yield again))
        if taken:
            return f"{taken} of {_TRIES} writes under `If-None-Match: *` replaced {size} bytes"
        (found,) = yield [Get(name)]
        if _is_one_of(found, again):
            return "a write under `If-None-Match: *` was refused and took effect"
    return ""


def _replaces_what_was_seen() -> Trial:
    for size in _SIZES:
        name = f"{size}"
        (old,) = yield [Put(name, _filled("first", size))]
        (new,) = yield [Put(name, _filled("last", size), old)]
        if new is None:
            return "a write under `If-Match` was refused though nobody else had written"
        tags = [*[old] * _TRIES, _MADE_UP]
        late = [Put(name, _filled(f"late {n}", size), tag) for n, tag in enumerate(tags)]
        taken = _count((yield late))
        if taken:
            return f"{taken} of {len(late)} writes under another ETag replaced {size} bytes"
        (found,) = yield [Get(name)]
        if _is_one_of(found, late):
            return "a write under `If-Match` was refused and took effect"
    return ""


def _replaces_nothing_missing() -> Trial:
    (etag,) = yield [Put("removed", b"1")]
    yield [Delete("removed")]
    names = ["removed", *(f"never-{n}" for n in range(_TRIES))]
    late = [Put(name, b"2", etag) for name in names]
    taken = _count((yield late))
    if taken:
        return f"{taken} of {len(late)} writes under `If-Match` made a record where none was"
    found = yield [Get(name) for name in names]
    if any(_is_one_of(one, late) for one in found):
        return "a write under `If-Match` where nothing was was refused and took effect"
    return ""


def _has_one_creator() -> Trial:
    for number in range(_RACES):
        fault, _ = yield from _race(f"{number}", ABSENT, said="racer")
        if fault:
            return fault
    return ""


def _has_one_replacer() -> Trial:
    (etag,) = yield [Put("counter", b"0")]
    for number in range(_RACES):
        fault, etag = yield from _race("counter", etag, said=f"{number} of racer")
        if fault:
            return fault
    return ""


def _race(
    name: str, condition: Condition, *, said: str
) -> Generator[Sequence[Step], Any, tuple[str, str]]:
    """Have several write at one moment; return the fault, and the winner's ETag."""
    racers = [Put(name, f"{said} {n}".encode(), condition) for n in range(_RACERS)]
    etags = yield racers
    losers = [put for put, etag in zip(racers, etags, strict=True) if etag is None]
    if len(losers) != _RACERS - 1:
        taken = _RACERS - len(losers)
        return f"of {_RACERS} writes at one moment under one condition {taken} took effect", ""
    (found,) = yield [Get(name)]
    fault = "of writes at one moment a refused one took effect" if _is_one_of(found, losers) else ""
    return fault, next(etag for etag in etags if etag is not None)


def _changes_etags() -> Trial:
    etags: list[str] = []
    for number in range(_TRIES + 1):
        (etag,) = yield [Put("record", f"content {number}".encode())]
        (found,) = yield [Get("record")]
        if etag.startswith("W/"):
            return f"the ETag {etag} is weak: other bytes may have it, too"
        if found is not None and found.etag != etag and found.data.endswith(f"{number}".encode()):
            return "a record is read with another ETag than it was written with"
        etags.append(etag)
    if len(set(etags)) < len(etags):
        return "a record kept its ETag when its bytes changed"
    return ""


def _reads_what_was_written() -> Trial:
    name = "record"
    yield [Get(name)]  # a server may remember that nothing was there
    for content in (b"1", b"2", b"3", None):
        yield [Delete(name) if content is None else Put(name, content)]
        found = yield [Get(name)] * _READERS
        stale = sum(_data(one) != content for one in found)
        if stale:
            done = "removal" if content is None else "write"
            return f"{stale} of {_READERS} reads after a {done} gave what was before"
    return ""


def _lists_what_is_there() -> Trial:
    names = [f"{n:02}" for n in range(8)]
    yield [List()]  # a server may remember that nothing was there
    yield [Put(name, b"1") for name in reversed(names)]
    everything, rest = yield [List(), List(after=names[2])]
    if sorted(everything) != names:
        return f"of {len(names)} records just written {len(everything)} were listed"
    if everything != names or rest != names[3:]:
        return "records are not listed in the order of their names"
    yield [Delete(name) for name in names[::2]]
    (left,) = yield [List()]
    return "" if left == names[1::2] else "records were listed after their removal"


_ALL: Final = frozenset(Promise)
_SWAPS: Final = frozenset({Promise.UPDATES, Promise.COMMITS})

CHECKS: Final[Sequence[Check]] = (
    # Two that create both believe to be the first, decisions of actions among them.
    Check(
        name="create",
        what="a write under `If-None-Match: *` is refused when the record is there",
        off=_SWAPS,
        run=_creates_once,
    ),
    Check(
        name="create-race",
        what="of several such writes at one moment one takes effect",
        off=_SWAPS,
        run=_has_one_creator,
    ),
    # A late step of one commit replaces what another has acknowledged since.
    Check(
        name="replace",
        what="a write under `If-Match` is refused when the record has another ETag",
        off=_ALL,
        run=_replaces_what_was_seen,
    ),
    Check(
        name="replace-race",
        what="of several such writes at one moment one takes effect",
        off=_ALL,
        run=_has_one_replacer,
    ),
    # What was removed comes back by a step that is too late.
    Check(
        name="replace-missing",
        what="a write under `If-Match` is refused when there is no record",
        off=_SWAPS,
        run=_replaces_nothing_missing,
    ),
    Check(
        name="etags",
        what="the ETag is strong, and another one when the bytes are others",
        off=_ALL,
        run=_changes_etags,
    ),
    # The server still compares with what is there, so no update is lost: it is tried again.
    Check(
        name="reads",
        what="a read gives what was written, or removed, last",
        off=frozenset({Promise.WRITES, Promise.COMMITS}),
        run=_reads_what_was_written,
    ),
    # An end that misses a decision leaves an attempt that may still commit.
    Check(
        name="lists",
        what="a listing has all records that are there, in order, and no other",
        off=frozenset({Promise.COMMITS}),
        run=_lists_what_is_there,
    ),
)
"""All checks, in the order in which they are shown."""


def _filled(text: str, size: int) -> bytes:
    return text.encode().ljust(size, b".")


def _count(answers: Sequence[object]) -> int:
    return sum(answer is not None for answer in answers)


def _data(found: Versioned | None) -> bytes | None:
    return None if found is None else found.data


def _is_one_of(found: Versioned | None, refused: Sequence[Put]) -> bool:
    """Tell whether a refused write took effect; what is only stale is another check's to find."""
    return found is not None and found.data in {put.data for put in refused}
