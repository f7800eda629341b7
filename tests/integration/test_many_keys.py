"""A variable among many costs what one alone does, and a list of them streams.

More of them: VARFLOW_MANY_KEYS=100000.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support import s3
from tests.support.many_keys_program import address
from varflow.variables.stores import opening
from varflow.variables.variables import Variables

KEYS = int(os.environ.get("VARFLOW_MANY_KEYS", "1200"))
"""More than S3 tells of at one time."""
AT_ONE_TIME = 16
AHEAD = 17
"""A list, and the records that are read ahead."""
MOST_MIB = 32.0
LONG_SECONDS = 120 + KEYS // 50
REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(params=["file", "s3"])
def environ(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """What a process is told of the store."""
    if request.param == "file":
        return {"VARFLOW_STORE": (tmp_path / "store").as_uri()}
    server = request.getfixturevalue("s3_server")
    return s3.make_place(server, request.getfixturevalue("bucket")).environ


@pytest.mark.timeout(LONG_SECONDS)
async def test_a_get_costs_the_same_among_many_and_a_list_of_them_streams(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    await fill(environ["VARFLOW_STORE"])
    seen = await asyncio.to_thread(look, environ["VARFLOW_STORE"])

    assert seen["calls for each get"] == 1
    assert seen["calls before the first is listed"] <= AHEAD
    assert seen["listed"] == KEYS
    assert seen["calls of the list"] == {"list": 1, "get": KEYS}
    assert seen["MiB more"] < MOST_MIB


async def fill(url: str) -> None:
    """Write all variables, some at one time."""
    variables, left = Variables(opening.open_store(url)), iter(range(KEYS))
    await variables.open()

    async def write() -> None:
        for number in left:
            await variables.set(address(number), b"%d" % number)

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONE_TIME):
            group.create_task(write())
    await variables.close()


def look(url: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.many_keys_program", url],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    sys.stdout.write(done.stdout)
    return json.loads(done.stdout)
