"""Records and decisions: what was written is read, and anything else is corrupt."""

from __future__ import annotations

import json
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.variables import make_value
from varflow.errors import CorruptObject
from varflow.variables import framing, records
from varflow.variables.records import Pending, Record, Value
from varflow.variables.writes import decisions
from varflow.variables.writes.decisions import Decision, Kind

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
TIMES = st.floats(0, 4e9)


@st.composite
def values(draw: st.DrawFn) -> Value:
    inline = draw(st.none() | st.binary(max_size=200))
    size = draw(st.integers(0, 2**50)) if inline is None else len(inline)
    return Value(
        rev=f"{draw(st.integers(1, 2**40))}-0a1b2c3d",
        content_type=draw(TEXT),
        size=size,
        sha256=sha256(inline or b"").hexdigest(),
        created_at=draw(TIMES),
        updated_at=draw(TIMES),
        expires_at=draw(st.none() | TIMES),
        writer=draw(TEXT),
        inline=inline,
        body=None if inline is not None else "b0d1",
    )


PENDINGS = st.builds(
    Pending, txn=TEXT, decision=TEXT, tag=st.none() | TEXT, new=st.none() | values()
)
RECORDS = st.builds(Record, st.none() | values(), st.none() | PENDINGS, TEXT)


@st.composite
def made_decisions(draw: st.DrawFn) -> Decision:
    result = draw(st.none() | st.binary(max_size=100))
    return Decision(
        kind=draw(st.sampled_from(Kind)),
        nonce=draw(TEXT),
        at=draw(TIMES),
        txn=draw(st.none() | TEXT),
        changes=tuple(draw(st.lists(TEXT, max_size=3))),
        bodies=tuple(draw(st.lists(TEXT, max_size=3))),
        result=result,
        result_path=draw(st.none() | TEXT),
        result_sha256=sha256(result or b"").hexdigest(),
    )


DECISIONS = made_decisions()


@given(record=RECORDS)
def test_a_record_is_read_as_it_was_written(record: Record) -> None:
    assert records.decode(records.encode(record), path="p") == record


@given(decision=DECISIONS)
def test_a_decision_is_read_as_it_was_written(decision: Decision) -> None:
    assert decisions.decode(decisions.encode(decision), path="p") == decision


@st.composite
def damaged(draw: st.DrawFn, data: bytes) -> bytes:
    """Flip, insert, remove or cut."""
    at = draw(st.integers(0, len(data) - 1))
    some = draw(st.binary(max_size=4))
    return draw(
        st.sampled_from(
            [
                data[:at] + some + data[at + len(some) :],
                data[:at] + some + data[at:],
                data[:at] + data[at + 1 + len(some) :],
                data[:at],
            ]
        )
    )


@given(record=RECORDS, data=st.data())
def test_a_damaged_record_is_never_another_value(record: Record, data: st.DataObject) -> None:
    bad = data.draw(damaged(records.encode(record)))

    try:
        decoded = records.decode(bad, path="v1/n/k")
    except CorruptObject:
        return

    assert decoded == record


@given(decision=DECISIONS, data=st.data())
def test_a_damaged_decision_is_never_another_one(decision: Decision, data: st.DataObject) -> None:
    bad = data.draw(damaged(decisions.encode(decision)))

    try:
        decoded = decisions.decode(bad, path="v1/n/k")
    except CorruptObject:
        return

    assert decoded == decision


@given(data=st.binary(max_size=100))
def test_other_bytes_are_corrupt(data: bytes) -> None:
    with pytest.raises(CorruptObject, match="the/path"):
        records.decode(data, path="the/path")


RECORD = Record(make_value(b"current"), None, "n")


@pytest.mark.parametrize(
    "data",
    [
        records.encode(RECORD)[:-1],
        records.encode(RECORD) + b"x",
        records.encode(RECORD).replace(b"\ncurrent", b"\ncurrenT"),
        records.encode(RECORD).replace(b'"varflow":1', b'"varflow":2'),
        records.encode(RECORD).replace(b'"size":7', b'"size":8'),
        framing.join({"current": None, "pending": None}),
        framing.join({"current": [], "pending": None, "nonce": ""}),
        framing.join({"current": {"body": "b"}, "pending": None, "nonce": ""}),
        decisions.encode(Decision(kind=Kind.ABORTED, nonce="n", at=1)),
        b"",
    ],
    ids=[
        "cut",
        "longer",
        "other bytes",
        "other layout",
        "other size",
        "no nonce",
        "no value",
        "half a value",
        "a decision",
        "nothing",
    ],
)
def test_what_varflow_did_not_write_is_corrupt_and_named(data: bytes) -> None:
    with pytest.raises(CorruptObject, match="v1/c/ns/n/k"):
        records.decode(data, path="v1/c/ns/n/k")


def test_the_first_line_is_json_for_people() -> None:
    header = json.loads(records.encode(RECORD).split(b"\n")[0])

    assert header["current"]["size"] == 7


def test_two_inline_values_and_their_header_stay_below_64_kib() -> None:
    value = make_value(b"x" * records.INLINE_BYTES, content_type="t" * 255, writer="w" * 253)
    pending = Pending(txn="t" * 32, decision="d" * 900, tag="e" * 64, new=value)

    assert len(records.encode(Record(value, pending, "n" * 16))) <= 64 * 1024 + 600


def test_each_revision_counts_on_from_the_one_before() -> None:
    first = records.next_rev(None, "aaaaaaaa")

    assert first == "1-aaaaaaaa"
    assert records.next_rev(make_value(rev="41-x"), "bbbbbbbb") == "42-bbbbbbbb"
