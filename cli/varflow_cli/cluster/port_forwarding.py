"""A port of a pod as one of this machine, through the API server: `kubectl port-forward`.

    S3 client ──► 127.0.0.1:free ──► a websocket each ──► API server ──► kubelet ──► pod

The protocol is `v4.channel.k8s.io`: each message begins with its channel, 0 for bytes and 1 for
what went wrong; the first message on a channel only repeats the port. It has no half-closed
connections: when one side ends, the other does too, which HTTP does not mind. Both directions wait
for whoever reads them, so a large variable streams through without being held here.

Rejected: SPDY, which no Python library speaks, and its newer form within a websocket, which API
servers before Kubernetes 1.30 do not know.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

import aiohttp

from varflow.errors import ClusterError, ClusterUnavailable
from varflow_operator.cluster import Cluster
from varflow_operator.kinds import POD
from varflow_operator.refusals import Refusal

_PROTOCOL: Final = "v4.channel.k8s.io"
_BYTES: Final = 0
_FAULT: Final = 1
_PORT_LENGTH: Final = 2
_CHUNK_BYTES: Final = 64 * 1024
_CONNECT_SECONDS: Final = 30.0
_REASON_SECONDS: Final = 1.0

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A port of a pod."""

    namespace: str
    pod: str
    port: int

    def __str__(self) -> str:
        return f"port {self.port} of {POD.shown(self.namespace, self.pod)}"


@contextlib.asynccontextmanager
async def forward(cluster: Cluster, target: Target) -> AsyncIterator[int]:
    """Listen on a free port of 127.0.0.1 as long as the context lasts, and give it.

    Raises:
        ObjectRefused: we may not do that; ObjectNotFound: there is no such pod.
        ClusterUnavailable: the pod cannot be reached.
    """
    async with cluster.open_session() as session:
        forwarding = _Forwarding(session, host=cluster.host, target=target)
        async with forwarding.connect():
            pass  # what is wrong is said now, and not by whoever uses the port
        server = await asyncio.start_server(forwarding.begin, "127.0.0.1", 0)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
            await forwarding.close()


class _Forwarding:
    """The connections to one target."""

    def __init__(self, session: aiohttp.ClientSession, *, host: str, target: Target) -> None:
        path = POD.path(target.namespace, target.pod, subresource="portforward")
        self._session = session
        self._url = f"{host}{path}?ports={target.port}"
        self._target = target
        self._tasks: set[asyncio.Task[None]] = set()

    @contextlib.asynccontextmanager
    async def connect(self) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """Open a connection to the target.

        Raises:
            ClusterError: it is refused, or breaks off.
        """
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                socket = await self._session.ws_connect(
                    self._url, protocols=(_PROTOCOL,), max_msg_size=0, autoping=True
                )
        except aiohttp.WSServerHandshakeError as error:
            raise self._refusal(error.status) from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ClusterUnavailable(f"connect to {self._target}: {error!r}") from error
        async with socket:
            yield socket

    def begin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry a connection until either side ends it, or `close` does."""
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """End all connections."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with self.connect() as socket:
                await _carry(socket, reader, writer)
        except (ClusterError, aiohttp.ClientError, OSError) as error:
            _logger.warning("connection to %s: %s", self._target, error)
        finally:
            writer.close()

    def _refusal(self, status: int) -> ClusterError:
        target = self._target
        # API servers before Kubernetes 1.35 ask for the first alone, when it is a websocket.
        said = f"it needs the rights to get and create pods/portforward in {target.namespace}"
        refusal = Refusal(status, message=said, object_name=target.pod)
        return refusal.error(f"port-forward to {target}")


async def _carry(
    socket: aiohttp.ClientWebSocketResponse,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> None:
    sending = asyncio.create_task(_send(socket, reader))
    receiving = asyncio.create_task(_receive(socket, writer))
    try:
        await asyncio.wait({sending, receiving}, return_when=asyncio.FIRST_COMPLETED)
        if not receiving.done() and sending.exception():
            # Why it cannot be sent any more may have come, and not been read yet.
            await asyncio.wait({receiving}, timeout=_REASON_SECONDS)
        for way in (receiving, sending):
            if way.done():
                way.result()
    finally:
        for way in (sending, receiving):
            way.cancel()
        await asyncio.gather(sending, receiving, return_exceptions=True)


async def _send(socket: aiohttp.ClientWebSocketResponse, reader: asyncio.StreamReader) -> None:
    channel = bytes([_BYTES])
    while chunk := await reader.read(_CHUNK_BYTES):
        await socket.send_bytes(channel + chunk)


async def _receive(socket: aiohttp.ClientWebSocketResponse, writer: asyncio.StreamWriter) -> None:
    begun: set[int] = set()
    async for message in socket:
        if message.type is not aiohttp.WSMsgType.BINARY or not message.data:
            continue
        channel = message.data[0]
        data = message.data[1:] if channel in begun else message.data[1 + _PORT_LENGTH :]
        begun.add(channel)
        if channel == _FAULT and data:
            raise ConnectionError(data.decode("utf-8", "replace").strip())
        writer.write(data)
        await writer.drain()
