"""Calls to the sidecar on behalf of one action: what `variables` and `states` have in common."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from varflow_client.transport import Answer, Sidecar


class Calls:
    """Asks the sidecar for one action."""

    def __init__(self, action_id: str = "", *, sidecar: Sidecar | None = None) -> None:
        self._action_id = action_id
        self._given_sidecar = sidecar

    @property
    def action_id(self) -> str:
        """The action on whose behalf the sidecar is asked."""
        return self._action_id

    @property
    def _sidecar(self) -> Sidecar:
        if self._given_sidecar is None:
            from varflow_client import transport  # not before it is needed: start-up time

            self._given_sidecar = transport.from_environ()
        return self._given_sidecar

    def _call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        *,
        body: bytes | IO[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        from varflow_client import transport

        headers = dict(headers or {})
        if body is not None and not isinstance(body, bytes):
            headers |= _length_header(body)
        request = transport.Request(
            method=method,
            path=path,
            query={"aid": self.action_id, **query},
            body=body,
            headers=headers,
            is_repeatable=_is_repeatable(path, query, body, headers),
        )
        return self._sidecar.call(request)


def _is_repeatable(
    path: str, query: Mapping[str, str], body: object, headers: Mapping[str, str]
) -> bool:
    """Tell whether a second call after a lost answer changes nothing and says the same."""
    return (
        path != "/log"
        and "mode" not in query
        and headers.keys().isdisjoint({"If-Match", "If-None-Match"})
        and (body is None or isinstance(body, bytes))
    )


def _length_header(file: IO[bytes]) -> dict[str, str]:
    """Say how much is left in a file that can tell; others are sent in chunks."""
    try:
        here = file.tell()
        end = file.seek(0, io.SEEK_END)
        file.seek(here)
    except (OSError, AttributeError):
        return {}
    return {"Content-Length": str(end - here)}
