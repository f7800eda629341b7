"""What `varflow store encrypt` says on its way."""

from __future__ import annotations

import asyncio

import pytest

from varflow_cli.stores import renewing


async def test_a_long_work_says_how_far_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    asked = asyncio.Event()

    def say() -> str:
        asked.set()
        return "objects looked at: 7"

    async with asyncio.timeout(10), renewing.telling(say, seconds=0.001):
        await asked.wait()

    assert capsys.readouterr().err.startswith("varflow: objects looked at: 7\n")


async def test_a_short_work_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    async with renewing.telling(lambda: "never said"):
        pass

    assert capsys.readouterr().err == ""
