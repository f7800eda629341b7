"""An instance's output, wherever it is: in its status, or as a data object in the store."""

from __future__ import annotations

from typing import Any

import orjson

from varflow.errors import CorruptObject, VarflowError
from varflow.variables import paths
from varflow_cli.cluster import stores
from varflow_cli.cluster.connecting import Connection
from varflow_cli.cluster.views import InstanceView
from varflow_cli.console.failures import Failure


async def find(connection: Connection, view: InstanceView) -> Any:
    """Return the output of an instance that has ended.

    Raises:
        Failure: it is in the store, which cannot be read from here.
    """
    if not view.output_ref:
        return view.output
    try:
        return await _read(connection, view)
    except VarflowError as error:
        raise Failure(
            f"the output of instance {view.name} is in the store and cannot be read: "
            f"{error.message}",
            code=error.code,
        ) from error


async def _read(connection: Connection, view: InstanceView) -> Any:
    owners = await stores.find_owners(connection, instance=view.name)
    path = paths.data(owners, view.output_ref)
    async with stores.open_variables(connection) as variables:
        data = b"".join([chunk async for chunk in variables.store.read_body(path)])
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise CorruptObject(f"{path} is not JSON") from error
