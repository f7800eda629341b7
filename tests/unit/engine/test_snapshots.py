"""How an instance is kept: the exact bytes, what survives, and what is refused.

The files in `tests/data/snapshots` begin with the version that wrote them, and are never changed:
whatever a running instance may have as its checkpoint must go on being read. What adds or changes
something adds a file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from varflow.engine.faults import Fault
from varflow.engine.messages import InstanceStatus
from varflow.engine.snapshots import (
    Effect,
    EffectKind,
    EffectPhase,
    Ending,
    Fan,
    Phase,
    Snapshot,
    begin,
)
from varflow.errors import InvalidMessage

GOLDEN = Path(__file__).parents[2] / "data" / "snapshots"
OOPS = Fault(code="oops", message="broken")
FULL = Snapshot(
    instance="11111111-2222-3333-4444-555555555555",
    phase=Phase.ENDING,
    state="call",
    step=7,
    data={"z": [1, 2.5, None, True, "ü"], "a": {"nested": {}}},
    input={"n": 1},
    steps={"first": {"n": 1}},
    metadata="half-way",
    effects=(
        Effect(
            kind=EffectKind.ACTION,
            id="0123456789abcdef0123456789abcdef",
            phase=EffectPhase.GIVING_UP,
            attempt=2,
            deadline=1900.5,
            is_doubtful=True,
            fault=Fault(code="direktiv.cancels.api", message="cancelled by api request"),
        ),
        Effect(kind=EffectKind.READ, branch=1, id="ff", value=["x"]),
    ),
    fan=Fan(count=3, sent=2, done=1, results=((0, {"n": 1}),), size=7, pages=1),
    timers={"giving-up.7.0.2": 1930.25},
    mark=Fault(code="age.error", message="too young", is_catchable=False),
    fault=Fault(code="x", message=""),
    ending=Ending(status=InstanceStatus.CANCELLED, code="direktiv.cancels.api", message="m"),
)


def effect(kind: EffectKind, phase: EffectPhase, branch: int, **given: Any) -> Effect:
    return Effect(kind=kind, phase=phase, branch=branch, id=f"{branch:032x}", **given)


LOOP = Snapshot(
    instance="11111111-2222-3333-4444-555555555555",
    phase=Phase.INSIDE,
    state="each",
    depth=2,
    step=3,
    data={"return": [1]},
    effects=(
        effect(EffectKind.ACTION, EffectPhase.QUEUED, 4),
        effect(EffectKind.ACTION, EffectPhase.RUNNING, 5, deadline=1900.0),
        effect(EffectKind.ACTION, EffectPhase.BACKING_OFF, 6, attempt=1, fault=OOPS),
        effect(EffectKind.ACTION, EffectPhase.GIVING_UP, 7, attempt=1, is_doubtful=True, value="x"),
        effect(EffectKind.SUBFLOW, EffectPhase.RUNNING, 8, deadline=1900.0),
        effect(EffectKind.SUBFLOW, EffectPhase.GIVING_UP, 9, fault=OOPS),
        effect(EffectKind.ACTION, EffectPhase.FAILED, 10, fault=OOPS),
        effect(EffectKind.STORE, EffectPhase.RUNNING, -3, value=2),
        effect(EffectKind.LOAD, EffectPhase.SUCCEEDED, -4, value=[[[0, "a"]], [[1, None]]]),
        effect(EffectKind.WRITE, EffectPhase.RUNNING, 11),
        effect(EffectKind.DELAY, EffectPhase.RUNNING, 12),
    ),
    fan=Fan(count=120, sent=13, done=4, results=((2, "a"), (3, None)), size=7, pages=2),
    timers={"interrupt": 1900.0, "kill": 2200.0, "backing-off.3.6.1": 1005.0, "go-on": 1000.0},
)
GOLDENS = {"v1": FULL, "v1-loop": LOOP}


@pytest.mark.parametrize("name", GOLDENS)
def test_a_snapshot_is_written_as_it_was(name: str) -> None:
    golden = (GOLDEN / f"{name}.json").read_bytes()
    assert orjson.dumps(orjson.loads(golden)) == GOLDENS[name].encode()


@pytest.mark.parametrize("name", GOLDENS)
def test_a_snapshot_of_an_earlier_day_is_read(name: str) -> None:
    assert Snapshot.decode((GOLDEN / f"{name}.json").read_bytes()) == GOLDENS[name]


def test_the_files_hold_every_kind_of_effect_and_every_phase_of_one() -> None:
    found = [it for snapshot in GOLDENS.values() for it in snapshot.effects]

    assert {it.kind for it in found} == set(EffectKind)
    assert {it.phase for it in found} == set(EffectPhase)


def test_enumerations_come_back_as_such() -> None:
    back = Snapshot.decode(FULL.encode())

    assert back.phase is Phase.ENDING
    assert (back.effects[0].kind, back.effects[0].phase) == (
        EffectKind.ACTION,
        EffectPhase.GIVING_UP,
    )
    assert back.ending is not None
    assert back.ending.status is InstanceStatus.CANCELLED


def test_the_order_of_the_data_survives() -> None:
    assert list(Snapshot.decode(FULL.encode()).data) == ["z", "a"]


NEW = orjson.loads(begin("i").encode())


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"{", "not JSON"),
        (b"[]", "not a JSON object"),
        (b"{}", "has version None, this Varflow reads 1"),
        (orjson.dumps({**NEW, "version": 2}), "has version 2, this Varflow reads 1"),
        (orjson.dumps({**NEW, "phase": "asleep"}), "'asleep' is not a valid Phase"),
        (orjson.dumps({**NEW, "colour": "red"}), "colour"),
        (orjson.dumps({**NEW, "effects": [{}]}), "not a checkpoint"),
        (orjson.dumps({**NEW, "effects": 5}), "not a checkpoint"),
        (orjson.dumps({**NEW, "ending": {"status": "won"}}), "not a checkpoint"),
        (orjson.dumps({"version": 1}), "not a checkpoint"),
    ],
    ids=[
        "damaged",
        "an array",
        "no version",
        "another version",
        "a strange phase",
        "a strange field",
        "an empty effect",
        "no list",
        "a strange status",
        "nothing in it",
    ],
)
def test_what_is_no_snapshot_is_refused_with_a_reason(data: bytes, message: str) -> None:
    with pytest.raises(InvalidMessage, match=message):
        Snapshot.decode(data)
