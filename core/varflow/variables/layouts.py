"""The marker at the root of a store: which layout its objects have.

The first process to open an empty store in order to write writes it; a store that says another
layout is refused before anything in it is read or written (design.md §6). Where it is missing there
is no store: who only reads is told so, instead of being shown a new, empty one.
"""

from __future__ import annotations

import orjson

from varflow.errors import CorruptObject, StoreLayoutUnknown, StoreMissing
from varflow.variables import paths
from varflow.variables.stores.base import ABSENT, Conflict, ObjectStore


async def check(store: ObjectStore, *, creates: bool = True) -> None:
    """Return if the store has this version's layout.

    Args:
        store: Is open.
        creates: One without a marker gets it.

    Raises:
        StoreMissing: it has no marker, and gets none; never of a volatile one, which begins empty.
        StoreLayoutUnknown: it has another.
        CorruptObject: its marker cannot be read.
        StoreError: the store failed.
    """
    found = await store.get(paths.MARKER)
    if found is None and not creates and store.is_durable:
        raise StoreMissing(
            f"there is no store at {store.url}: it has no {paths.MARKER}; check the URL, or write"
            " something to it first"
        )
    if found is None:
        try:
            await store.put(paths.MARKER, _encode(), condition=ABSENT)
        except Conflict:
            found = await store.get(paths.MARKER)
    if found is not None:
        _check(found.data, url=store.url)


def _encode() -> bytes:
    return orjson.dumps({"layout": paths.LAYOUT}) + b"\n"


def _check(data: bytes, *, url: str) -> None:
    try:
        layout = orjson.loads(data)["layout"]
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise CorruptObject(f"{paths.MARKER} in {url} is no layout marker: {error}") from error
    if layout != paths.LAYOUT:
        raise StoreLayoutUnknown(
            f"the store {url} has layout {layout}, this version of Varflow writes {paths.LAYOUT};"
            " use the version that wrote it, or another store"
        )
