"""Whole histories of random workflows in a hostile world (`tests.support.simulation`).

10,000 in every run, always the same ones, in parts that several processes can share. More of them:
`python -m tests.support.simulation 1000000 --first 1000000`.
"""

from __future__ import annotations

import pytest

from tests.support.simulation import Flaw, Simulation, Violation

PART = 500
PARTS = 20
ENOUGH = 1500
"""Histories within which every flaw is found."""


@pytest.mark.parametrize("part", range(PARTS))
def test_whatever_happens_an_instance_ends_and_everything_takes_effect_once(part: int) -> None:
    for seed in range(part * PART, (part + 1) * PART):
        try:
            Simulation(seed).run()
        except Violation as violation:
            pytest.fail(f"seed {seed}: {violation}")


def test_the_same_seed_makes_the_same_history() -> None:
    for seed in range(100):
        assert Simulation(seed).run() == Simulation(seed).run()


@pytest.mark.parametrize("flaw", Flaw)
def test_the_simulation_would_find_that(flaw: Flaw) -> None:
    assert any(_is_found(flaw, seed) for seed in range(ENOUGH))


def _is_found(flaw: Flaw, seed: int) -> bool:
    try:
        Simulation(seed, flaw=flaw).run()
    except Violation:
        return True
    return False
