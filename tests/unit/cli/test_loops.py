"""Running a coroutine."""

from __future__ import annotations

import pytest

from varflow_cli.console import loops


class NeverBegun:
    """What no loop runs: as a coroutine before which Ctrl-C was pressed."""

    is_closed = False

    def close(self) -> None:
        self.is_closed = True


async def work() -> int:
    return 7


def test_what_a_coroutine_returns_comes_back() -> None:
    assert loops.run(work()) == 7


def test_work_that_never_began_is_closed() -> None:
    never = NeverBegun()

    with pytest.raises(ValueError, match="coroutine"):
        loops.run(never)  # type: ignore[arg-type]

    assert never.is_closed
