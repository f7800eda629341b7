"""How an instance is kept: the exact bytes, what survives, and what is refused.

`tests/data/snapshots/v1.json` was written by version 1. Later versions must go on reading it, or
have another version number.
"""

from __future__ import annotations

from pathlib import Path

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

GOLDEN = Path(__file__).parents[2] / "data" / "snapshots" / "v1.json"
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


def test_a_snapshot_is_written_as_version_1_was() -> None:
    assert orjson.dumps(orjson.loads(GOLDEN.read_bytes())) == FULL.encode()


def test_a_snapshot_of_version_1_is_read() -> None:
    assert Snapshot.decode(GOLDEN.read_bytes()) == FULL


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
