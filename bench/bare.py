"""The floor of every request: an aiohttp handler that does nothing, or reads one file.

`python -m bench.bare FILE` prints its port and serves until it is ended.
"""

from __future__ import annotations

import asyncio
import os
import sys

import uvloop
from aiohttp import web

BODY = b"x" * 1024


async def serve(path: str) -> None:
    """Serve `/bare` from memory and `/file` from `path`."""

    async def bare(_request: web.Request) -> web.Response:
        return web.Response(body=BODY, content_type="application/octet-stream")

    async def file(_request: web.Request) -> web.Response:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            body = os.read(descriptor, 65536)
        finally:
            os.close(descriptor)
        return web.Response(body=body, content_type="application/octet-stream")

    app = web.Application()
    app.router.add_get("/bare", bare)
    app.router.add_get("/file", file)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    if len(cores := os.sched_getaffinity(0)) > 1:
        os.sched_setaffinity(0, {min(cores)})
    uvloop.run(serve(sys.argv[1]))
