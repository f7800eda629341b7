"""Listing variables as they come: a page in memory, however many there are.

Columns are as wide as the page needs, and never narrower than on the one before.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Final

from varflow.variables.variables import VariableInfo
from varflow_cli.console import streams, tables
from varflow_cli.console.tables import Columns
from varflow_cli.stores.editing import Place

_PAGE: Final = 500


async def show(place: Place, *, prefix: str, is_long: bool, is_json: bool) -> None:
    """Write what is known about each variable of a scope to standard output.

    Raises:
        OSError: standard output cannot be written.
    """
    async with (
        place.open() as there,
        aclosing(there.variables.list(there.owners, there.scope, prefix=prefix)) as found,
    ):
        pages = _pages(found)
        texts = _json(pages, is_long=is_long) if is_json else _text(pages, is_long=is_long)
        async for text in texts:
            with streams.printing():
                await asyncio.to_thread(sys.stdout.buffer.write, text)


async def _pages(found: AsyncIterator[VariableInfo]) -> AsyncIterator[list[VariableInfo]]:
    page: list[VariableInfo] = []
    async for info in found:
        page.append(info)
        if len(page) == _PAGE:
            yield page
            page = []
    if page:
        yield page


async def _text(pages: AsyncIterator[list[VariableInfo]], *, is_long: bool) -> AsyncIterator[bytes]:
    columns = Columns()
    heading = [tables.header(is_long=is_long)]
    async for page in pages:
        rows = [tables.row(info, is_long=is_long) for info in page]
        yield streams.printable(columns.align([*heading, *rows])).encode()
        heading = []


async def _json(pages: AsyncIterator[list[VariableInfo]], *, is_long: bool) -> AsyncIterator[bytes]:
    before = b"["
    async for page in pages:
        yield before + b",".join(tables.as_json(info, is_long=is_long) for info in page)
        before = b","
    yield (b"[]\n" if before == b"[" else b"]\n")
