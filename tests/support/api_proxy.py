"""Stands before a real API server and does to its clients what networks and upgrades do."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import hdrs, web

from tests.support.cluster.control_plane import ApiServer

_PASSED_ON = (hdrs.CONTENT_TYPE, hdrs.AUTHORIZATION, hdrs.ACCEPT)


class ApiProxy:
    """Passes requests on, until it is told otherwise."""

    def __init__(self, server: ApiServer) -> None:
        self.requests: list[tuple[str, str]] = []
        """Method and path of all that came."""
        self._server = server
        self._is_open = asyncio.Event()
        self._is_open.set()
        self._watches: set[asyncio.Queue[bytes]] = set()
        self._is_watched = asyncio.Event()
        self._runner: web.AppRunner | None = None
        self._port = 0
        self._session: aiohttp.ClientSession | None = None

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[ApiProxy]:
        """Serve as long as the context lasts."""
        context = ssl.create_default_context(cafile=str(self._server.certificates))
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=context, limit=0),
            timeout=aiohttp.ClientTimeout(total=None),
        ) as self._session:
            await self.listen()
            try:
                yield self
            finally:
                await self.refuse()

    async def listen(self) -> None:
        """Accept connections, on the same port as before."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, shutdown_timeout=0.05)  # 0 would be without end
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port, reuse_address=True)
        await site.start()
        self._port = int(self._runner.addresses[0][1])

    async def refuse(self) -> None:
        """Cut all connections and accept no more."""
        if self._runner is not None:
            await self._runner.cleanup()

    def hold(self) -> None:
        """Let requests wait from now on."""
        self._is_open.clear()

    def release(self) -> None:
        """Let them go on."""
        self._is_open.set()

    async def end_watches(self, code: int) -> None:
        """Have the API server say in every watch that it cannot go on, and why."""
        async with asyncio.timeout(60):
            await self._is_watched.wait()
        status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code}
        line = json.dumps({"type": "ERROR", "object": status}).encode() + b"\n"
        for watch in self._watches:
            watch.put_nowait(line)

    def write_kubeconfig(self, folder: Path) -> Path:
        """Return a kubeconfig that leads here."""
        return write_kubeconfig(
            folder / "kubeconfig-proxy",
            cluster={"server": f"http://127.0.0.1:{self._port}"},
            user={"token": self._server.token},
        )

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append((request.method, request.path))
        await self._is_open.wait()
        assert self._session is not None
        async with self._session.request(
            request.method,
            self._server.url + request.raw_path,
            headers={name: request.headers[name] for name in _PASSED_ON if name in request.headers},
            data=await request.read() or None,
        ) as upstream:
            response = web.StreamResponse(
                status=upstream.status, headers={hdrs.CONTENT_TYPE: upstream.content_type}
            )
            await response.prepare(request)
            if "watch" in request.query:
                await self._pass_watch(upstream, response)
            else:
                await response.write(await upstream.read())
            return response

    async def _pass_watch(
        self, upstream: aiohttp.ClientResponse, response: web.StreamResponse
    ) -> None:
        injected: asyncio.Queue[bytes] = asyncio.Queue()
        self._watches.add(injected)
        self._is_watched.set()

        async def pump() -> None:
            async for chunk in upstream.content.iter_any():
                await response.write(chunk)

        pumping = asyncio.ensure_future(pump())
        ending = asyncio.ensure_future(injected.get())
        try:
            await asyncio.wait([pumping, ending], return_when=asyncio.FIRST_COMPLETED)
            if ending.done():
                await response.write(ending.result())
        finally:
            self._watches.discard(injected)
            if not self._watches:
                self._is_watched.clear()
            pumping.cancel()
            ending.cancel()
            await asyncio.gather(pumping, ending, return_exceptions=True)


def write_kubeconfig(path: Path, *, cluster: dict[str, Any], user: dict[str, Any]) -> Path:
    """Write a kubeconfig with one context."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
    }
    path.write_text(json.dumps(config))
    return path
