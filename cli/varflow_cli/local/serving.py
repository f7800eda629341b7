"""Serving `/var` to the functions of a run.

Every run has a port of its own, which functions learn as `VARFLOW_SIDECAR_URL`, so runs do not get
in each other's way. Functions that know only Direktiv's address find it too: the first run on the
machine also has port 8889. A `VARFLOW_SIDECAR_URL` in the caller's environment chooses the port.
"""

from __future__ import annotations

import contextlib
import socket
import urllib.parse
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Final

from varflow.contract import VARIABLE_PORT
from varflow_cli.console.failures import Mistake
from varflow_cli.local.launching import SIDECAR_URL
from varflow_sidecar.sidecar import Sidecar
from varflow_sidecar.web import app
from varflow_sidecar.web import serving as web_serving

_HOSTS: Final = frozenset({"localhost", *web_serving.LOOPBACK})


def parse_url(url: str) -> int:
    """Return the port of a given `VARFLOW_SIDECAR_URL`.

    Raises:
        Mistake: it is no HTTP URL of a port on this machine's loopback.
    """
    try:
        parts = urllib.parse.urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if host not in _HOSTS or not port:
        raise Mistake(
            f"{SIDECAR_URL}={url!r} in the environment is not where a local run can serve; "
            "unset it or write http://127.0.0.1:PORT"
        )
    return port


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """Where `/var` answers."""

    url: str
    """What functions are told."""
    has_usual_port: bool
    """Whether functions that know no other address find this run, too."""


@contextlib.asynccontextmanager
async def serve(sidecar: Sidecar, environ: Mapping[str, str]) -> AsyncIterator[Served]:
    """Serve the functions as long as the context lasts.

    Raises:
        Mistake: the environment names an address that cannot be served.
    """
    given = environ.get(SIDECAR_URL)
    own = _bind_own(given)
    usual = own if web_serving.port_of(own) == VARIABLE_PORT else _bind_usual()
    url = given or f"http://127.0.0.1:{web_serving.port_of(own)}"
    sockets = own if usual is own else own + usual
    async with web_serving.serve(app.create_variable_app(sidecar), sockets):
        yield Served(url=url, has_usual_port=bool(usual))


def _bind_own(given: str | None) -> list[socket.socket]:
    try:
        return _bind(parse_url(given) if given else 0)
    except OSError as error:
        raise Mistake(f"{SIDECAR_URL}={given!r}: {error.strerror}; unset it") from error


def _bind_usual() -> list[socket.socket]:
    """Return sockets for Direktiv's port, or none when another run has it."""
    try:
        return _bind(VARIABLE_PORT)
    except OSError:
        return []


def _bind(port: int) -> list[socket.socket]:
    return web_serving.bind(port, hosts=web_serving.LOOPBACK)
