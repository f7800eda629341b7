"""The marker at the root of a store: which layout its objects have.

The first process to open an empty store writes it; a store that says another layout is refused
before anything in it is read or written (design.md §6).
"""

from __future__ import annotations

import orjson

from varflow.errors import CorruptObject, StoreLayoutUnknown
from varflow.variables import paths
from varflow.variables.stores.base import ABSENT, Conflict, ObjectStore


async def check(store: ObjectStore) -> None:
    """Return if the store has this version's layout, which an empty one gets.

    Raises:
        StoreLayoutUnknown: it has another.
        CorruptObject: its marker cannot be read.
        StoreError: the store failed.
    """
    found = await store.get(paths.MARKER)
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
