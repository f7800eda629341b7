"""The operator's log."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Iterator

import orjson
import pytest

from varflow_operator import logs

logger = logging.getLogger("varflow_operator.tests")


@pytest.fixture
def untouched() -> Iterator[None]:
    root = logging.getLogger()
    before = (root.level, root.handlers[:])
    yield
    root.setLevel(before[0])
    root.handlers[:] = before[1]
    logging.captureWarnings(capture=False)


@pytest.fixture
def lines(untouched: None, capsys: pytest.CaptureFixture[str]) -> pytest.CaptureFixture[str]:
    return capsys


def test_json_line_says_when_where_and_about_what(lines: pytest.CaptureFixture[str]) -> None:
    logs.configure(level="info", style="json")

    with logs.about(namespace="ns", instance="hello"):
        logger.info("step %d", 3)

    line = orjson.loads(lines.readouterr().out)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("ts"))
    assert line == {
        "level": "info",
        "logger": "varflow_operator.tests",
        "msg": "step 3",
        "namespace": "ns",
        "instance": "hello",
    }


def test_text_line_ends_with_what_it_is_about(lines: pytest.CaptureFixture[str]) -> None:
    logs.configure(level="info", style="text")

    with logs.about(namespace="ns"), logs.about(workflow="w"):
        logger.warning("odd")

    assert lines.readouterr().out.endswith(
        " WARNING varflow_operator.tests: odd (namespace=ns workflow=w)\n"
    )


def test_line_about_nothing_after_the_block(lines: pytest.CaptureFixture[str]) -> None:
    logs.configure(level="info", style="json")
    with logs.about(instance="a"):
        pass

    logger.info("later")

    assert "instance" not in orjson.loads(lines.readouterr().out)


async def test_tasks_do_not_mix_what_they_are_about(lines: pytest.CaptureFixture[str]) -> None:
    logs.configure(level="info", style="json")

    async def work(name: str) -> None:
        with logs.about(instance=name):
            await asyncio.sleep(0)
            logger.info(name)

    await asyncio.gather(*(work(f"i{number}") for number in range(5)))

    found = [orjson.loads(line) for line in lines.readouterr().out.splitlines()]
    assert all(line["instance"] == line["msg"] for line in found)
    assert len(found) == 5


@pytest.mark.parametrize("style", ["json", "text"])
def test_failure_is_one_line_of_json_or_a_traceback(
    lines: pytest.CaptureFixture[str], style: str
) -> None:
    logs.configure(level="info", style=style)
    try:
        raise ValueError("bad\nvalue")
    except ValueError:
        logger.exception("failed")

    written = lines.readouterr().out
    assert "ValueError: bad" in written
    assert (written.count("\n") == 1) is (style == "json")


def test_libraries_are_kept_to_warnings(lines: pytest.CaptureFixture[str]) -> None:
    logs.configure(level="debug", style="json")

    logging.getLogger("kopf.objects").info("Handler succeeded")
    logging.getLogger("kopf.reactor").warning("something")
    logger.debug("ours")

    found = [orjson.loads(line)["msg"] for line in lines.readouterr().out.splitlines()]
    assert found == ["something", "ours"]
