"""What is said of a record by its age and state, and what may be done about it."""

from __future__ import annotations

import pytest

from tests.support.variables import make_value
from varflow.variables.records import Pending, Record
from varflow.variables.sweep import findings
from varflow.variables.sweep.findings import Ages, Finding, Kind

AGES = Ages(unsettled=10, unused=100)
PENDING = Pending(txn="t", decision="d", tag=None, new=None)
VALUE = make_value()
BRIEF = make_value(expires_at=500.0)

HALF_DONE = Record(VALUE, PENDING, "")
EXPIRING = Record(BRIEF, None, "")
TOMBSTONE = Record(None, None, "")


@pytest.mark.parametrize(
    ("record", "modified", "now", "judged"),
    [
        (Record(VALUE, None, ""), 0.0, 1e9, None),
        (HALF_DONE, 0.0, 9.9, (Kind.HALF_DONE_COMMIT, False)),
        (HALF_DONE, 0.0, 10.0, (Kind.HALF_DONE_COMMIT, True)),
        (Record(None, PENDING, ""), 0.0, 10.0, (Kind.HALF_DONE_COMMIT, True)),
        (Record(BRIEF, PENDING, ""), 499.0, 500.0, (Kind.HALF_DONE_COMMIT, False)),
        (EXPIRING, 0.0, 499.9, None),
        (EXPIRING, 0.0, 500.0, (Kind.EXPIRED, False)),
        (EXPIRING, 0.0, 510.0, (Kind.EXPIRED, True)),
        (TOMBSTONE, 0.0, 99.9, (Kind.DELETED, False)),
        (TOMBSTONE, 0.0, 100.0, (Kind.DELETED, True)),
    ],
    ids=[
        "alive",
        "a fresh claim",
        "an old claim",
        "an old claim on nothing",
        "a claim on what has expired",
        "not yet expired",
        "just expired",
        "expired for a while",
        "just deleted",
        "deleted long ago",
    ],
)
def test_a_record_is_judged_by_state_and_age(
    record: Record, modified: float, now: float, judged: tuple[Kind, bool] | None
) -> None:
    assert findings.judge(record, modified=modified, now=now, ages=AGES) == judged


OF_THIS_LIFE = Record(make_value(created_at=1.0), None, "")
OF_AN_EARLIER_LIFE = Record(make_value(created_at=0.5), None, "")
BRIEF_OF_THIS_LIFE = Record(make_value(created_at=1.0, expires_at=500.0), None, "")


@pytest.mark.parametrize(
    ("revision", "live", "is_stale"),
    [
        (OF_THIS_LIFE, OF_THIS_LIFE, False),
        (OF_AN_EARLIER_LIFE, OF_THIS_LIFE, True),
        (OF_THIS_LIFE, None, True),
        (OF_THIS_LIFE, TOMBSTONE, True),
        (OF_THIS_LIFE, HALF_DONE, False),
        (OF_AN_EARLIER_LIFE, Record(None, PENDING, ""), False),
        (BRIEF_OF_THIS_LIFE, OF_THIS_LIFE, True),
        (TOMBSTONE, OF_THIS_LIFE, True),
    ],
    ids=[
        "of this life",
        "of an earlier life",
        "of no variable",
        "of a deleted variable",
        "under a commit",
        "under a commit that creates",
        "expired by itself",
        "without a value",
    ],
)
def test_an_older_revision_is_stale_once_nobody_can_ask_for_it(
    revision: Record, live: Record | None, is_stale: bool
) -> None:
    assert findings.is_stale(revision, live, now=1000.0) is is_stale


@pytest.mark.parametrize("kind", Kind)
def test_nothing_is_repaired_before_it_is_due(kind: Kind) -> None:
    assert not Finding(kind=kind, path="p", is_due=False).is_repairable


DAMAGE = {
    Kind.BROKEN_RECORD,
    Kind.BROKEN_DECISION,
    Kind.MISSING_BODY,
    Kind.DAMAGED_BODY,
    Kind.UNKNOWN_OBJECT,
}


@pytest.mark.parametrize("kind", Kind)
def test_damage_is_wrong_at_once_and_never_touched(kind: Kind) -> None:
    early, late = (Finding(kind=kind, path="p", is_due=is_due) for is_due in (False, True))

    assert early.is_wrong is (kind in DAMAGE)
    assert late.is_repairable is (kind not in DAMAGE)
    assert findings.TITLES[kind]
