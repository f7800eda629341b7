"""Whole histories of random workflows in a hostile world (`tests.support.simulation`)."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.simulation import Simulation

SEEDS = st.integers(min_value=0, max_value=2**32)


@given(seed=SEEDS)
@settings(max_examples=500)
def test_whatever_happens_an_instance_ends_and_leaves_nothing_behind(seed: int) -> None:
    Simulation(seed).run()


@given(seed=SEEDS)
@settings(max_examples=20)
def test_the_same_events_make_the_same_history(seed: int) -> None:
    assert Simulation(seed).run() == Simulation(seed).run()
