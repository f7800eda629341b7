"""What has to be kept before it is done, and what the end leaves out."""

from __future__ import annotations

import pytest

from varflow.engine.messages import (
    Command,
    Finish,
    InstanceStatus,
    LoadData,
    Log,
    LogLevel,
    ReadVariables,
    SetTimer,
    StopTimer,
    StoreData,
)
from varflow_operator.instances import agenda

STORE = StoreData(request="a-1", name="result-1", value=1)
TIMER = SetTimer(timer="kill", at=1.0)
FINISH = Finish(status=InstanceStatus.COMPLETE, output={})


@pytest.mark.parametrize("command", [STORE, TIMER, FINISH])
def test_what_cannot_be_taken_back_waits_for_a_checkpoint(command: Command) -> None:
    assert agenda.needs_checkpoint([command])


@pytest.mark.parametrize(
    "command",
    [
        Log(text="hello", level=LogLevel.INFO, state="a"),
        StopTimer(timer="kill"),
        ReadVariables(request="a-1", items=()),
        LoadData(request="a-1", names=("result-1",)),
    ],
)
def test_what_changes_nothing_waits_for_none(command: Command) -> None:
    assert not agenda.needs_checkpoint([command])


def test_what_is_said_later_is_done_later() -> None:
    assert agenda.joined([STORE], [TIMER]) == [STORE, TIMER]


def test_nothing_is_put_aside_beside_the_end() -> None:
    assert agenda.joined([STORE, TIMER], [STORE, FINISH]) == [TIMER, FINISH]
