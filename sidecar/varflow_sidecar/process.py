"""The life of the sidecar's process, from its settings to its end."""

from __future__ import annotations

import contextlib
import logging

from varflow.contract import SidecarSettings
from varflow.variables.encryption import wrapping
from varflow.variables.stores import opening
from varflow.variables.stores.base import ObjectStore
from varflow.variables.stores.credentials import CredentialsFile
from varflow.variables.variables import Variables
from varflow_sidecar import draining
from varflow_sidecar.function import Endpoint
from varflow_sidecar.sidecar import OneFunction, Sidecar
from varflow_sidecar.web import serving
from varflow_sidecar.web.app import create_action_app, create_health_app, create_variable_app

_logger = logging.getLogger(__name__)


def _open_store(settings: SidecarSettings) -> ObjectStore:
    lent = settings.store_credentials_file
    credentials = CredentialsFile(lent) if lent else None
    return wrapping.wrap_as_told(
        opening.open_store(settings.store, credentials=credentials),
        policy=settings.encryption,
        keys=settings.encryption_keys,
        source="VARFLOW_ENCRYPTION_KEYS",
    )


async def run(settings: SidecarSettings) -> None:
    """Serve until a signal comes, then drain.

    Raises:
        InvalidInput: the store's URL names none, or its keys are none.
        StoreError: the store cannot be used.
        OSError: a port is taken, or the shared folder cannot be made.
    """
    signals = draining.Signals()
    signals.install()
    async with contextlib.AsyncExitStack() as stack:
        variables = Variables(
            _open_store(settings),
            writer="sidecar",
            max_bytes=settings.max_variable_bytes,
            history=opening.find_history(settings.store),
        )
        await variables.open()
        stack.push_async_callback(variables.close)
        endpoint = Endpoint(
            port=settings.function_port,
            concurrency=settings.concurrency,
            start_seconds=settings.function_start_seconds,
        )
        sidecar = await stack.enter_async_context(
            Sidecar.open(variables, OneFunction(endpoint), settings=settings)
        )
        for app, port, hosts in (
            (create_variable_app(sidecar), settings.variable_port, serving.LOOPBACK),
            (create_action_app(sidecar), settings.action_port, serving.EVERYWHERE),
            # last: being reachable here says that the others are
            (create_health_app(sidecar), settings.metrics_port, serving.EVERYWHERE),
        ):
            sockets = serving.bind(port, hosts=hosts)
            await stack.enter_async_context(serving.serve(app, sockets))
        _logger.info("ready")
        await signals.first.wait()
        await draining.drain(sidecar.actions, hurry=signals.second)
