"""What the engine asks for, where the store cannot do it."""

from __future__ import annotations

import io
import time
from pathlib import Path

import pytest

from tests.support.variables import OWNERS, paths_of
from varflow.contract import SidecarSettings
from varflow.engine.messages import (
    ActionGivenUp,
    GiveUp,
    StartSubflow,
    VariablesWritten,
    VariableWrite,
    WriteVariables,
)
from varflow.errors import StoreFull, TooLarge
from varflow.variables.scopes import Scope
from varflow.variables.states import States
from varflow.variables.stores.base import Condition
from varflow.variables.stores.memory import MemoryStore
from varflow.variables.variables import Variables
from varflow_cli.console.progress import PlainWriter, Progress
from varflow_cli.local.background import Background
from varflow_cli.local.children import Child, Children
from varflow_cli.local.effects import Effects
from varflow_cli.local.functions import LocalFunctions
from varflow_sidecar.sidecar import Sidecar

LARGE = b"x" * 100_000
"""More than a record holds, so that it is stored before the commit."""


class FullStore(MemoryStore):
    """Takes no records any more once it is full."""

    is_full = False

    async def put(self, path: str, data: bytes, *, condition: Condition = None) -> str:
        if self.is_full:
            raise StoreFull("no room")
        return await super().put(path, data, condition=condition)


def write(**values: bytes) -> WriteVariables:
    items = tuple(
        VariableWrite(scope=Scope.WORKFLOW, key=key, data=data, content_type="text/plain")
        for key, data in values.items()
    )
    return WriteVariables(request="r", decision="d", items=items)


def no_child(command: StartSubflow) -> Child:
    raise AssertionError(command)


async def make_effects(store: MemoryStore, folder: Path, *, max_bytes: int | None) -> Effects:
    variables = Variables(store, max_bytes=max_bytes)
    await variables.open()
    settings = SidecarSettings(shared_dir=str(folder))
    background = Background()
    async with Sidecar.open(variables, {}, settings=settings) as sidecar:
        return Effects(
            owners=OWNERS,
            states=States(),
            variables=variables,
            actions=sidecar.actions,
            functions=LocalFunctions(),
            family="",
            children=Children(no_child, background=background, clock=time.time),
            background=background,
            progress=Progress(PlainWriter(io.StringIO())),
        )


async def test_what_was_stored_for_a_write_that_fails_is_removed(tmp_path: Path) -> None:
    store = MemoryStore()
    effects = await make_effects(store, tmp_path, max_bytes=len(LARGE))

    with pytest.raises(TooLarge, match="workflow/b: the value is longer"):
        await effects.carry_out(write(a=LARGE, b=LARGE + b"x", c=LARGE))

    assert await paths_of(store, "bodies/") == []
    assert isinstance(await effects.carry_out(write(a=LARGE)), VariablesWritten)


async def test_a_write_that_has_failed_is_given_up_also_where_that_cannot_be_written(
    tmp_path: Path,
) -> None:
    store = FullStore()
    effects = await make_effects(store, tmp_path, max_bytes=None)
    store.is_full = True
    with pytest.raises(StoreFull):
        await effects.carry_out(write(a=b"1"))

    given_up = await effects.carry_out(GiveUp(action_id="r", decision="d"))

    assert isinstance(given_up, ActionGivenUp)
