"""Since when bodies have been without a name, remembered in the store from sweep to sweep.

A body may go when nobody has named it for longer than any writer or reader holds on to it. Its own
age does not tell: it may have been replaced a second ago, and be being read. So each sweep notes
what it finds unnamed, the next one what still is, and neither depends on a process that lives that
long. What is young is not noted: a commit may be about to name it, and if another value has its
place by the next sweep, nobody would know that it had a name between. One small object for each
namespace, replaced under its ETag: of two sweeps at one time, one's notes count.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from varflow.errors import CorruptObject
from varflow.variables import framing, paths
from varflow.variables.stores.base import ABSENT, Conflict, ObjectStore
from varflow.variables.writes import pendings

_MOST: Final = 40_000
"""Bodies that are remembered, the oldest: some 2.5 MiB, below the 4 of a record."""


@dataclass(frozen=True, slots=True)
class Marks:
    """What the last sweep of a namespace has noted."""

    swept_at: float
    """When it ended, seconds since the epoch; 0 for never."""
    unnamed: Mapping[str, float]
    """Ids of bodies, and since when they are known to be without a name."""
    etag: str | None


def encode(unnamed: Mapping[str, float], *, swept_at: float, nonce: str) -> bytes:
    """Return the bytes of marks."""
    oldest = sorted(unnamed.items(), key=lambda mark: mark[1])[:_MOST]
    return framing.join({"at": swept_at, "nonce": nonce, "unnamed": dict(oldest)})


def decode(data: bytes, *, etag: str, path: str) -> Marks:
    """Read marks.

    Raises:
        CorruptObject: the bytes cannot be marks of this version; names `path`.
    """
    header, _ = framing.split(data, path=path)
    try:
        unnamed = {str(body): float(since) for body, since in header["unnamed"].items()}
        return Marks(float(header["at"]), unnamed, etag)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise CorruptObject(f"{path} is not what a sweep has noted: {error}") from error


async def load(store: ObjectStore, prefix: str) -> Marks:
    """Return what was noted of the namespace with this prefix."""
    path = paths.marks(prefix)
    found = await store.get(path)
    if found is None:
        return Marks(0.0, {}, None)
    return decode(found.data, etag=found.etag, path=path)


async def save(
    store: ObjectStore, prefix: str, unnamed: Mapping[str, float], *, before: Marks, now: float
) -> None:
    """Note what this sweep has found; nothing when another one has noted something meanwhile."""
    data = encode(unnamed, swept_at=now, nonce=pendings.make_nonce())
    try:
        await store.put(paths.marks(prefix), data, condition=before.etag or ABSENT)
    except Conflict:
        return
