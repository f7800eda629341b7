"""What tests of store drivers have in common: weird paths, sources of bodies, and short forms."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

from hypothesis import strategies as st

from varflow.variables.stores.base import ObjectStore

WEIRD_KEYS = {
    "upper case": "A",
    "lower case": "a",
    "mixed case": "myFiles",
    "capitals": "README.MD",
    "composed": "caf\u00e9",
    "decomposed": "cafe\u0301",
    "beyond the basic plane": "\N{GRINNING FACE}",
    "right to left": "\u05e9\u05dc\u05d5\u05dd",
    "leading dot": ".hidden",
    "dots": "...",
    "trailing dot": "name.",
    "trailing space": "name ",
    "leading space": " name",
    "only a space": " ",
    "percent": "100%",
    "looks escaped": "%41",
    "looks escaped too": "^a",
    "looks like an object's file": "a=",
    "looks cut": "a+",
    "DOS device": "con",
    "DOS device with a suffix": "nul.txt",
    "DOS device in capitals": "COM1",
    "reserved characters": '<>:"\\|?*',
    "tilde": "~",
    "shell": "$(x) `y` & 'z'; #",
    "driver's own folder": ".tmp",
    "no-break space": "\u00a0",
    "longest": "k" * 253,
    "longest but one, the same start": "k" * 252,
    "longest in capitals": "K" * 253,
    "longest in four-byte letters": "\N{GRINNING FACE}" * 63,
    "long with dots where it may be cut": "x." * 126,
}
"""Names that some file system, shell or URL treats in its own way."""


def segments() -> st.SearchStrategy[str]:
    """Every segment that a path may have, the difficult ones more often."""
    letters = st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="/")
    free = st.text(letters, min_size=1, max_size=63)
    dense = st.text(st.sampled_from("aA.=+^%4e1 \u00e9"), min_size=1, max_size=250)
    valid = (free | dense).filter(lambda text: text not in {".", ".."} and len(text.encode()) < 254)
    return valid | st.sampled_from(sorted(WEIRD_KEYS.values()))


def paths() -> st.SearchStrategy[str]:
    """Paths of one to four segments."""
    return st.lists(segments(), min_size=1, max_size=4).map("/".join)


async def chunks_of(*chunks: bytes) -> AsyncIterator[bytes]:
    """A source that yields `chunks`."""
    for chunk in chunks:
        yield chunk


async def failing_after(*chunks: bytes, error: Exception) -> AsyncIterator[bytes]:
    """A source that yields `chunks` and then raises `error`."""
    for chunk in chunks:
        yield chunk
    raise error


async def body_of(
    store: ObjectStore, path: str, *, start: int = 0, length: int | None = None
) -> bytes:
    """Return a body's bytes, or those of a range."""
    return b"".join([chunk async for chunk in store.read_body(path, start=start, length=length)])


async def data_of(store: ObjectStore, path: str) -> bytes | None:
    """Return a record's bytes, or None."""
    found = await store.get(path)
    return found.data if found else None


async def paths_in(store: ObjectStore, prefix: str = "", *, after: str = "") -> list[str]:
    """Return the paths of a listing."""
    return [listed.path async for listed in store.list(prefix, after=after)]


def files_below(folder: Path) -> list[str]:
    """Return all files below `folder`, hidden ones too, as relative names."""
    return sorted(
        os.path.relpath(os.path.join(parent, file), folder)
        for parent, _, files in os.walk(folder)
        for file in files
    )


def unfinished_files(folder: Path) -> list[str]:
    """Return a file store's files that are under way or were left behind."""
    return [
        name
        for name in files_below(folder)
        if name.startswith(".tmp/") and not name.endswith("/alive")
    ]
