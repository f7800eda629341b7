"""Talking to a function: `POST /` with the input, `DELETE /` to stop it.

It is reached on 127.0.0.1 or ::1, whichever answers. A connection is kept for a moment, which
spares the next step of a chain half a millisecond of connecting and of the function's accepting.
Only for a moment: servers close idle connections (after 2 seconds the quickest of the common ones),
and a call that meets such a closing leaves open whether the function has seen it; a server with a
single thread also serves nobody else meanwhile. As long as connecting is refused nothing was sent,
so that is waited out (`start_seconds`): a container that is starting, or starting again. Redirects
are not followed and nothing is decompressed: the function answers itself, with bytes.
"""

from __future__ import annotations

import asyncio
import io
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

import aiohttp

from varflow.contract import HEADER_ACTION_ID, HEADER_ERROR_CODE, HEADER_ERROR_MESSAGE
from varflow.errors import TooLarge, VarflowError
from varflow_sidecar import answers
from varflow_sidecar.answers import EXCERPT_BYTES, Answer

LOOPBACKS: Final = ("127.0.0.1", "[::1]")

_FIRST_PAUSE_SECONDS: Final = 0.01
_LONGEST_PAUSE_SECONDS: Final = 0.25
_HEADER_BYTES: Final = 64 * 1024
"""Longest header of an answer: error messages come in one."""

_CONNECT_SECONDS: Final = 5.0
_KEPT_SECONDS: Final = 0.25
"""How long an idle connection is kept; see above."""

_PIECE_BYTES: Final = 1024 * 1024
"""Inputs up to this long are sent at once; longer ones in pieces, so that others get their turn."""

_NOT_CONNECTED: Final = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
"""Nothing was sent, so calling again calls once."""

_logger = logging.getLogger(__name__)


class FunctionFailed(VarflowError):
    """The function did not answer as the contract has it: it may be tried again."""


class AnswerTooLarge(TooLarge):
    """The function's answer is over the limit; cutting it would be worse than to crash."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a function listens, and how many actions it takes at one time."""

    port: int
    concurrency: int = 10
    start_seconds: float = 120.0


class FunctionClient:
    """The HTTP client for all functions. An async context manager."""

    def __init__(self, *, max_answer_bytes: int, cancel_grace_seconds: float) -> None:
        self._max_answer_bytes = max_answer_bytes
        self._grace_seconds = cancel_grace_seconds
        self._hosts: dict[int, str] = {}
        """Where the function of each port was reached last."""
        self._session: aiohttp.ClientSession

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                keepalive_timeout=_KEPT_SECONDS, limit=0, use_dns_cache=False
            ),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS),
            headers={"Accept-Encoding": "identity", "User-Agent": "varflow-sidecar"},
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            max_line_size=_HEADER_BYTES,
            max_field_size=_HEADER_BYTES,
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._session.close()

    async def call(
        self, endpoint: Endpoint, *, name: str, headers: Mapping[str, str], body: bytes
    ) -> Answer:
        """Call a function and return its answer, however long that takes.

        Raises:
            FunctionFailed: it does not listen, or broke off, or did not answer in HTTP.
            AnswerTooLarge: its answer is longer than allowed.
        """
        given_up_at = asyncio.get_running_loop().time() + endpoint.start_seconds
        pause = _FIRST_PAUSE_SECONDS
        while True:
            for host in self._candidates(endpoint.port):
                try:
                    answer = await self._post(_url(host, endpoint), headers=headers, body=body)
                except _NOT_CONNECTED:
                    continue
                except (aiohttp.ClientError, OSError) as error:
                    raise FunctionFailed(f"function {name!r} {_fault(error)}") from error
                self._hosts[endpoint.port] = host
                return answer
            if asyncio.get_running_loop().time() >= given_up_at:
                raise FunctionFailed(
                    f"function {name!r} does not listen: nothing answered on port {endpoint.port} "
                    f"of 127.0.0.1 and ::1 within {endpoint.start_seconds:g} seconds"
                )
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    async def stop(
        self, endpoint: Endpoint, *, action_id: str, call: asyncio.Task[Answer] | None = None
    ) -> None:
        """Ask a function to stop an action and wait for it, then abort `call`.

        The grace period is for functions that heed the request: one that has refused it is aborted
        at once, since nothing that it still answers can count.
        """
        asking = asyncio.ensure_future(self._delete(endpoint, action_id))
        waited_for = [asking] if call is None else [asking, call]
        try:
            async with asyncio.timeout(self._grace_seconds):
                await asyncio.wait(waited_for, return_when=asyncio.FIRST_COMPLETED)
                if call is not None and await asking:
                    await asyncio.wait([call])
        except TimeoutError:
            _logger.warning("action %s: the function did not stop within the grace", action_id)
        finally:
            asking.cancel()
            if call is not None:
                call.cancel()
            await asyncio.gather(*waited_for, return_exceptions=True)

    async def listens(self, endpoint: Endpoint) -> bool:
        """Tell whether anything takes connections where the function should."""
        for host in self._candidates(endpoint.port):
            try:
                async with asyncio.timeout(_CONNECT_SECONDS):
                    _, writer = await asyncio.open_connection(host.strip("[]"), endpoint.port)
            except (OSError, TimeoutError):
                continue
            writer.close()
            return True
        return False

    def _candidates(self, port: int) -> list[str]:
        """Return the loopback addresses, the one that answered last first."""
        last = self._hosts.get(port, LOOPBACKS[0])
        return [last, *(host for host in LOOPBACKS if host != last)]

    async def _post(self, url: str, *, headers: Mapping[str, str], body: bytes) -> Answer:
        sent = {**headers, "Content-Type": "application/json"}
        data = body if len(body) < _PIECE_BYTES else io.BytesIO(body)
        async with self._session.post(
            url, data=data, headers=sent, allow_redirects=False
        ) as response:
            code = response.headers.get(HEADER_ERROR_CODE, "")
            return Answer(
                status=response.status,
                error_code=code,
                error_message=response.headers.get(HEADER_ERROR_MESSAGE, ""),
                body=b"" if code else await self._read(response),
            )

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        body = bytearray()
        async for chunk in response.content.iter_any():
            body += chunk
            if not answers.is_success(response.status) and len(body) > EXCERPT_BYTES:
                break
            if len(body) > self._max_answer_bytes:
                raise AnswerTooLarge(
                    f"the function's answer is longer than {self._max_answer_bytes} bytes; "
                    "leave large results under out/ and name them in the answer"
                )
        return bytes(body)

    async def _delete(self, endpoint: Endpoint, action_id: str) -> bool:
        """Send `DELETE /` and say whether the function heeds it."""
        for host in self._candidates(endpoint.port):
            try:
                async with self._session.delete(
                    _url(host, endpoint),
                    headers={HEADER_ACTION_ID: action_id},
                    allow_redirects=False,
                ) as response:
                    return answers.is_success(response.status)
            except _NOT_CONNECTED:
                continue
            except (aiohttp.ClientError, OSError) as error:
                _logger.info("action %s: DELETE / failed: %s", action_id, _fault(error))
                return False
        return False


def _url(host: str, endpoint: Endpoint) -> str:
    return f"http://{host}:{endpoint.port}/"


def _fault(error: Exception) -> str:
    match error:
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientOSError() | OSError():
            return "closed the connection before it had answered; has it crashed?"
        case aiohttp.ClientPayloadError():
            return "broke off in the middle of its answer"
        case aiohttp.ClientResponseError():
            return f"did not answer in HTTP: {error.message.splitlines()[0][:200].rstrip(': ')}"
        case _:
            return f"could not be called: {error}"
