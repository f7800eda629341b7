"""One HTTP session with the API server: requests out, answers or our errors back.

Below `Cluster`, which knows what the requests mean. aiohttp is used directly: the client that
`kubernetes` has generated writes JSON with the standard library and reads it into model classes.

Nothing is asked again here, with two exceptions: once on a connection that the server had closed
while it was idle (aiohttp itself does so for all but POST and PATCH), and once with fresh
credentials after a 401. Everything else is the caller's, who knows its deadline.
"""

from __future__ import annotations

import ssl
import sys
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Final, Protocol, Self
from urllib.parse import urlencode

import aiohttp
from aiohttp import hdrs
from yarl import URL

from varflow.errors import ClusterUnavailable, ObjectRefused
from varflow_operator.kinds import Kind
from varflow_operator.refusals import Refusal

REQUEST_SECONDS: Final = 30.0
WATCH_SECONDS: Final = 300
"""After that long the API server is asked to end a watch; the caller begins another."""

_IDLE_SECONDS: Final = 60.0
"""Shorter than the API server's 90 s, so that mostly we are who closes."""
_CONNECTIONS: Final = 32
"""At one time; more requests wait for one, as the API server's fairness would make them. For each
asyncio holds a quarter of a MiB to decrypt into."""

_LEAVES_CLOSED: Final = sys.version_info < (3, 12, 8)
"""asyncio keeps TLS connections that were closed in the middle of something, some for ever."""
_VERBS_FOR_ONE: Final = frozenset({"get", "apply", "update", "patch", "delete"})

Observe = Callable[[str, Kind, int, float], None]
"""Told of each request: verb, kind, status (0: no answer), seconds."""


def ignore(verb: str, kind: Kind, status: int, seconds: float) -> None:
    """Observe nothing."""


class Login(Protocol):
    """How to reach the API server, and as whom."""

    host: str
    ssl: ssl.SSLContext
    proxy: str | None
    server_name: str | None
    """What the server's certificate must name, if not the host."""
    namespace: str | None
    """Where to work when nobody names another namespace."""

    async def authorization(self) -> str | None:
        """Return the header's present value; None when a certificate is the identity."""
        ...

    async def renew(self) -> None:
        """Log in again after a 401, unless that has just been done."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request."""

    verb: str
    """For people and metrics: get, list, create, apply, update, patch, delete, watch."""
    method: str
    kind: Kind
    namespace: str | None
    name: str = ""
    subresource: str = ""
    query: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"

    @property
    def shown(self) -> str:
        """How messages name the request."""
        return f"{self.verb} {self.kind.shown(self.namespace, self.name)}"

    @property
    def path(self) -> str:
        """What is asked of the host.

        Raises:
            ObjectRefused: a name is no one object's: empty would mean all of them.
        """
        is_one = self.verb in _VERBS_FOR_ONE
        if (is_one and not self.name) or (self.name and not self._has_place) or "/" in self.name:
            raise ObjectRefused(f"{self.shown}: one name and one namespace are needed")
        name = self.name if is_one else ""
        path = self.kind.path(self.namespace, name, subresource=self.subresource)
        return f"{path}?{urlencode(self.query)}" if self.query else path

    @property
    def _has_place(self) -> bool:
        return bool(self.namespace) or not self.kind.is_namespaced


class Transport:
    """An open session."""

    def __init__(self, login: Login, *, agent: str, observe: Observe) -> None:
        self._login = login
        self._agent = agent
        self._observe = observe
        self._timeout = aiohttp.ClientTimeout(total=REQUEST_SECONDS)
        self._endless = aiohttp.ClientTimeout(
            total=None, sock_connect=REQUEST_SECONDS, sock_read=WATCH_SECONDS + REQUEST_SECONDS
        )
        self._session = self.open_session(connections=_CONNECTIONS)

    def open_session(self, *, connections: int = 0) -> aiohttp.ClientSession:
        """Return another session with the same identity, for who brings their own requests.

        Args:
            connections: how many at one time; 0 is any number, for who keeps them open.
        """
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                ssl=self._login.ssl,
                limit=connections,
                keepalive_timeout=_IDLE_SECONDS,
                enable_cleanup_closed=_LEAVES_CLOSED,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            # compressing costs the API server more than the network between them
            headers={hdrs.USER_AGENT: self._agent, hdrs.ACCEPT_ENCODING: "identity"},
            middlewares=(self._authorize,),
            proxy=self._login.proxy,  # resolved once; trust_env would read files for every request
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._session.close()

    async def send(self, call: Call, body: bytes | None = None) -> bytes:
        """Send a request and return the answer's body.

        Raises:
            ClusterError: any of them; after ClusterUnavailable a write may have happened.
        """
        status, answer = await self._exchange(call, body)
        if status >= 300:
            raise Refusal.read(status, answer).error(call.shown)
        return answer

    async def find(self, call: Call) -> bytes | Refusal:
        """Send a request and return the answer's body, or what it was refused with.

        Raises:
            ClusterUnavailable: there was no answer.
        """
        status, answer = await self._exchange(call, None)
        return answer if status < 300 else Refusal.read(status, answer)

    async def stream(self, call: Call) -> AsyncGenerator[bytes]:
        """Send a request and give the answer line by line, until the server ends it.

        Raises:
            ClusterError: any of them.
        """
        try:
            async with self._request(call, None, self._endless) as response:
                if response.status >= 300:
                    raise Refusal.read(response.status, await response.read()).error(call.shown)
                rest = b""
                async for chunk in response.content.iter_any():
                    *lines, rest = (rest + chunk).split(b"\n")
                    for line in lines:
                        yield line
        except _BROKEN as error:
            raise _unavailable(call, error) from error

    async def _exchange(self, call: Call, body: bytes | None) -> tuple[int, bytes]:
        try:
            try:
                return await self._measured(call, body)
            except aiohttp.ServerDisconnectedError:
                if call.method != hdrs.METH_PATCH:
                    raise
                return await self._measured(call, body)
        except _BROKEN as error:
            raise _unavailable(call, error) from error

    async def _measured(self, call: Call, body: bytes | None) -> tuple[int, bytes]:
        started = time.perf_counter()
        status = 0
        try:
            async with self._request(call, body, self._timeout) as response:
                data = await response.read()
                status = response.status
                return status, data
        finally:
            self._observe(call.verb, call.kind, status, time.perf_counter() - started)

    def _request(
        self, call: Call, body: bytes | None, timeout: aiohttp.ClientTimeout
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        return self._session.request(
            call.method,
            URL(self._login.host + call.path, encoded=True),
            data=body,
            headers={hdrs.CONTENT_TYPE: call.content_type} if body is not None else None,
            timeout=timeout,
            allow_redirects=False,  # the API server sends none; what does would get our token
        )

    async def _authorize(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        request.server_hostname = self._login.server_name
        await self._sign(request)
        response = await handler(request)
        if response.status == 401:
            response.release()
            await self._login.renew()
            await self._sign(request)
            response = await handler(request)
        return response

    async def _sign(self, request: aiohttp.ClientRequest) -> None:
        if authorization := await self._login.authorization():
            request.headers[hdrs.AUTHORIZATION] = authorization


_BROKEN: Final = (aiohttp.ClientError, TimeoutError, OSError)
"""What aiohttp raises when there is no whole answer."""


def _unavailable(call: Call, error: Exception) -> ClusterUnavailable:
    said = str(error) or ("no answer in time" if isinstance(error, TimeoutError) else repr(error))
    return ClusterUnavailable(f"{call.shown}: the API server cannot be reached: {said}")
