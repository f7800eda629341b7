"""When a Lease may be taken, and as which epoch."""

from __future__ import annotations

from typing import Any

import pytest

from varflow_operator.leadership import Seen, next_epoch

ME = "me"


def lease(**spec: Any) -> dict[str, Any]:
    full = {
        "holderIdentity": "other",
        "leaseDurationSeconds": 15,
        "renewTime": "t1",
        "leaseTransitions": 3,
    }
    return {"metadata": {"resourceVersion": "7"}, "spec": {**full, **spec}}


def seen(*, since: float = 0.0, **spec: Any) -> Seen:
    return Seen.read(lease(**spec), None, now=since)


@pytest.mark.parametrize(
    ("spec", "now", "wait"),
    [
        pytest.param({}, 0.0, 15.0, id="just-seen"),
        pytest.param({}, 14.5, 0.5, id="nearly-over"),
        pytest.param({}, 15.0, 0.0, id="over"),
        pytest.param({}, 1000.0, 0.0, id="long-over"),
        pytest.param({"holderIdentity": None}, 0.0, 0.0, id="given-back"),
        pytest.param({"holderIdentity": ""}, 0.0, 0.0, id="given-back-as-others-write-it"),
        pytest.param({"holderIdentity": ME}, 0.0, 0.0, id="ours-but-nobody-told-us"),
        pytest.param({"leaseDurationSeconds": 60}, 15.0, 45.0, id="the-holders-duration-counts"),
    ],
)
def test_lease_is_free_when_it_has_not_changed_for_its_duration(
    spec: dict[str, Any], now: float, wait: float
) -> None:
    assert seen(**spec).wait(ME, now=now) == wait


@pytest.mark.parametrize(
    ("spec", "since"),
    [
        pytest.param({}, 0.0, id="unchanged"),
        pytest.param({"renewTime": "t2"}, 10.0, id="renewed"),
        pytest.param({"holderIdentity": "third"}, 10.0, id="another-holder"),
    ],
)
def test_time_counts_from_the_last_change_that_was_seen(spec: dict[str, Any], since: float) -> None:
    assert Seen.read(lease(**spec), seen(), now=10.0).since == since


def test_lease_of_another_program_without_fields_is_free() -> None:
    found = Seen.read({"metadata": {"resourceVersion": "1"}}, None, now=5.0)

    assert found.wait(ME, now=5.0) == 0.0
    assert next_epoch(found, is_there=True, time=0.0) == 1


MINUTES = 30_000_000


@pytest.mark.parametrize(
    ("before", "is_there", "epoch"),
    [
        pytest.param(seen(), True, 4, id="one-more-than-the-last"),
        pytest.param(seen(holderIdentity=None), True, 4, id="also-after-it-was-given-back"),
        pytest.param(seen(holderIdentity=ME), True, 4, id="also-after-ourselves"),
        pytest.param(None, False, MINUTES, id="the-first-has-the-clock"),
        pytest.param(seen(), False, MINUTES, id="deleted-and-made-anew"),
        pytest.param(seen(leaseTransitions=MINUTES + 5), False, MINUTES + 6, id="never-lower"),
    ],
)
def test_epoch_rises_with_every_holder(before: Seen | None, *, is_there: bool, epoch: int) -> None:
    assert next_epoch(before, is_there=is_there, time=MINUTES * 60.0 + 59) == epoch
