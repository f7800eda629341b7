"""What states of a workflow read and write, over variables whose time is over."""

from __future__ import annotations

import pytest

from tests.support.stand_in_stores import AwayStore
from tests.support.variables import OWNERS, Clock, address
from varflow.engine.messages import ReadVariables, VariableRead
from varflow.errors import StoreError
from varflow.shells.variables import VariableEffects
from varflow.variables.stores.memory import MemoryStore
from varflow.variables.variables import Variables

READ = ReadVariables(request="r", items=(VariableRead(scope="namespace", key="k"),))


async def test_a_getter_sees_an_expired_variable_as_missing() -> None:
    clock = Clock()
    variables = Variables(MemoryStore(), clock=clock)
    effects = VariableEffects(owners=OWNERS, variables=variables, clock=clock)
    await variables.set(address(), b"1", ttl=10)

    assert (await effects.read(READ)).values == (1,)
    clock.now += 10
    assert (await effects.read(READ)).values == (None,)


async def test_a_getter_whose_store_fails_is_an_error_and_not_null() -> None:
    """PE-34; one that is away is waited for instead."""
    store = AwayStore()
    store.is_away, store.error = True, StoreError("the store is broken")

    with pytest.raises(StoreError, match="broken"):
        await VariableEffects(owners=OWNERS, variables=Variables(store)).read(READ)
