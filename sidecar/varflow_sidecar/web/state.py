"""What an application carries for its handlers."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from varflow_sidecar.sidecar import Sidecar

SIDECAR: Final = web.AppKey("sidecar", Sidecar)
