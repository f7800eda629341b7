"""Values that the engine puts aside in the store."""

from __future__ import annotations

import pytest

from tests.support.variables import OWNERS, paths_of
from varflow.engine.messages import DataLoaded, DataStored, LoadData, StoreData
from varflow.errors import CorruptObject
from varflow.shells.data import DataEffects
from varflow.variables.stores.memory import MemoryStore


def make_effects(store: MemoryStore) -> DataEffects:
    return DataEffects(owners=OWNERS, store=store, clock=lambda: 7.0)


async def test_what_was_put_aside_comes_back_in_the_order_asked_for() -> None:
    effects = make_effects(MemoryStore())
    values = {"2.answers.0": [[0, None], [2, "ä"]], "2.answers.1": [[1, {"a": 1.5}]]}

    stored = [
        await effects.store(StoreData(request=name, name=name, value=value))
        for name, value in values.items()
    ]
    loaded = await effects.load(LoadData(request="r", names=tuple(reversed(values))))

    assert stored == [DataStored(at=7.0, request=name) for name in values]
    assert loaded == DataLoaded(at=7.0, request="r", values=tuple(reversed(values.values())))


async def test_putting_the_same_aside_twice_does_no_harm() -> None:
    store = MemoryStore()
    effects = make_effects(store)
    command = StoreData(request="r", name="a", value=[1])

    await effects.store(command)
    await effects.store(command)

    assert len(await paths_of(store, "i/")) == 1
    assert (await effects.load(LoadData(request="r", names=("a",)))).values == ([1],)


async def test_a_value_that_is_gone_is_an_error_and_not_null() -> None:
    with pytest.raises(CorruptObject):
        await make_effects(MemoryStore()).load(LoadData(request="r", names=("a",)))
