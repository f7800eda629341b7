"""Calls that may block for as long as somebody likes, such as reading what a terminal sends.

Each runs in a thread that nobody waits for when the program ends. Those of `asyncio.to_thread` are
waited for, and no signal interrupts a read in a thread: after Ctrl-C the input would have to end.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import Any, TypeVar

_Result = TypeVar("_Result")


async def run(call: Callable[..., _Result], *arguments: Any) -> _Result:
    """Return what the call returns, or raise what it raises; when cancelled leave it behind."""
    loop, future = asyncio.get_running_loop(), asyncio.Future[_Result]()

    def work() -> None:
        try:
            result = call(*arguments)
        except BaseException as error:  # noqa: BLE001 - raised where it is awaited
            _tell(loop, _fail, future, error)
        else:
            _tell(loop, _succeed, future, result)

    threading.Thread(target=work, daemon=True).start()
    return await future


def _tell(loop: asyncio.AbstractEventLoop, tell: Callable[..., None], *arguments: Any) -> None:
    with contextlib.suppress(RuntimeError):  # the loop is closed: nobody asks any more
        loop.call_soon_threadsafe(tell, *arguments)


def _succeed(future: asyncio.Future[_Result], result: _Result) -> None:
    if not future.done():
        future.set_result(result)


def _fail(future: asyncio.Future[_Result], error: BaseException) -> None:
    if not future.done():
        future.set_exception(error)
