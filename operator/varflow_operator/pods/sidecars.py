"""Asks sidecars over HTTP (see `varflow.contract`); an outcome comes back, or one of our errors.

No request is repeated here: who asks knows the pod, and that an action's id makes a second request
harmless. Each long poll holds one connection; there is no limit to them, since actions have one.
"""

from __future__ import annotations

from types import TracebackType
from typing import ClassVar, Final, Self

import aiohttp
import orjson

from varflow import contract
from varflow.contract import Dispatch, Outcome
from varflow.errors import Draining, StaleEpoch, UnknownAction, VarflowError

WAIT_SECONDS: Final = 60.0
"""Longest silence of one poll."""

_ANSWER_SECONDS: Final = 15.0
"""How much later than asked an answer may come."""
_CONNECT_SECONDS: Final = 5.0


class SidecarUnreachable(VarflowError):
    """There was no answer: what became of the request is not known."""

    code: ClassVar[str] = "sidecar_unreachable"
    status: ClassVar[int] = 503


class SidecarRefused(VarflowError):
    """The sidecar does not accept what we say, and trying again would not help."""

    code: ClassVar[str] = "sidecar_refused"
    status: ClassVar[int] = 502


_ERRORS: Final[dict[int, type[VarflowError]]] = {
    401: SidecarUnreachable,  # while tokens are being replaced; it is another pod soon
    404: UnknownAction,
    409: StaleEpoch,
    503: Draining,
}


class Sidecars:
    """One HTTP session for all pods; open it as a context manager."""

    def __init__(self, *, epoch: int) -> None:
        """Speak for the control plane of this epoch."""
        self._epoch = epoch
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def start(
        self, url: str, dispatch: Dispatch, *, token: str, wait: float
    ) -> Outcome | None:
        """Have an action run, or attach to it; None when it still runs after `wait` seconds.

        Raises:
            Draining: the pod takes no new actions.
            StaleEpoch: there is a newer control plane.
            SidecarUnreachable, SidecarRefused: as the classes say; so too for all methods.
        """
        return await self._ask(
            "POST", url, dispatch.action_id, token=token, wait=wait, body=dispatch.encode()
        )

    async def poll(self, url: str, action_id: str, *, token: str, wait: float) -> Outcome | None:
        """Return an action's outcome; None when it still runs after `wait` seconds.

        Raises:
            UnknownAction: the sidecar does not know it.
        """
        return await self._ask("GET", url, action_id, token=token, wait=wait)

    async def cancel(self, url: str, action_id: str, *, token: str) -> Outcome | None:
        """Tell an action to stop; return its outcome if it had ended.

        Raises:
            UnknownAction: the sidecar does not know it.
        """
        return await self._ask("DELETE", url, action_id, token=token, wait=0.0)

    async def end_instances(
        self, url: str, uids: frozenset[str], *, token: str, wait: float
    ) -> frozenset[str]:
        """Have all actions of gone instances stopped; return those that still run after `wait`."""
        body = contract.encode_uids(uids)
        status, answer = await self._send(
            "POST", url, "/instances/gone", token=token, wait=wait, body=body
        )
        if status != 200:
            raise _error(status, answer, url=url)
        return contract.decode_uids(answer)

    async def _ask(
        self,
        method: str,
        url: str,
        action_id: str,
        *,
        token: str,
        wait: float,
        body: bytes | None = None,
    ) -> Outcome | None:
        status, answer = await self._send(
            method, url, f"/actions/{action_id}", token=token, wait=wait, body=body
        )
        if status == 200:
            return Outcome.decode(answer)
        if status == 202:
            return None
        raise _error(status, answer, url=url)

    async def _send(
        self, method: str, url: str, path: str, *, token: str, wait: float, body: bytes | None
    ) -> tuple[int, bytes]:
        assert self._session is not None, "the session is open"
        timeout = aiohttp.ClientTimeout(total=wait + _ANSWER_SECONDS, sock_connect=_CONNECT_SECONDS)
        try:
            async with self._session.request(
                method,
                url + path,
                params={"wait": f"{wait:g}", "epoch": str(self._epoch)},
                headers={"Authorization": f"Bearer {token}"},
                data=body,
                timeout=timeout,
                allow_redirects=False,
            ) as response:
                return response.status, await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            said = str(error) or type(error).__name__
            raise SidecarUnreachable(f"the sidecar at {url} does not answer: {said}") from error


def _error(status: int, body: bytes, *, url: str) -> VarflowError:
    kind = _ERRORS.get(status, SidecarRefused if status < 500 else SidecarUnreachable)
    return kind(f"the sidecar at {url} answers {status}: {_message(body)}")


def _message(body: bytes) -> str:
    try:
        return str(orjson.loads(body)["error"]["message"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return body[:200].decode("utf-8", "replace")
