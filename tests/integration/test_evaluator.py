"""Templates get their values in sandboxed worker processes, whatever the programs do."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from varflow.errors import ExpressionError, VarflowError
from varflow.language import expressions, shortcuts
from varflow.language.evaluating import Evaluator
from varflow.language.expressions import Dialect, Language, Program, Template
from varflow.language.syntax import Limits

DATA = {"x": 1, "name": "n", "none": None, "list": [1, 2], "big": 2**53 + 1, "secret": "hunter2"}
SHAPE = "{x: number, name: string, none: null, list: [number, …], big: number, secret: string}"


def wrapped(value: Any) -> Template:
    return expressions.parse(value, Dialect.WRAPPED)


def jq(source: str) -> Template:
    return Program(Language.JQ, source)


@pytest.fixture
async def hasty() -> AsyncIterator[Evaluator]:
    """One worker, and little patience."""
    async with Evaluator(workers=1, limits=Limits(seconds=0.5)) as evaluator:
        yield evaluator


async def failure(evaluator: Evaluator, source: str, data: Any = DATA, **options: Any) -> str:
    """Return the message with which a program fails."""
    with pytest.raises(ExpressionError) as caught:
        await evaluator.evaluate(jq(source), data, **options)

    assert caught.value.code == "direktiv.jq.badCommand"
    return str(caught.value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param("jq(.x + 1)", 2, id="a program keeps its type"),
        pytest.param("jq(.list)", [1, 2], id="also when it is a path"),
        pytest.param("n=jq(.x+0), l=jq(.list), s=jq(.name)", "n=1, l=[1,2], s=n", id="a text"),
        pytest.param("  jq(. | {a: .x})  ", {"a": 1}, id="white space around"),
        pytest.param('jq("  " + .name)', "  n", id="results are not trimmed"),
        pytest.param(
            {"a": ["jq(.x)", {"b": "jq(.list | length)"}], "c": " lit "},
            {"a": [1, {"b": 2}], "c": "lit"},
            id="a structure",
        ),
        pytest.param("jq(def f(g): g * 2; f(.x))", 2, id="definitions"),
        pytest.param("jq(.x # a comment\n)", 1, id="a comment at the end"),
        pytest.param("jq($input.i + $steps.a.n)", 12, id="variables"),
        pytest.param("jq({$input} | .input.i)", 10, id="a variable as shorthand"),
        pytest.param("jq(.big | [.])", [2**53 + 1], id="integers that are only moved stay exact"),
        pytest.param("jq([18446744073709551615])", [2**64 - 1], id="of up to 64 bits"),
        pytest.param("jq(false, empty)", False, id="false is a result"),
        pytest.param('jq("é\\u0000\\ud83d\\ude00")', "é\x00\U0001f600", id="any character"),
    ],
)
async def test_templates_have_values(evaluator: Evaluator, value: Any, expected: Any) -> None:
    variables = {"input": {"i": 10}, "steps": {"a": {"n": 2}}}

    assert await evaluator.evaluate(wrapped(value), DATA, variables) == expected


async def test_templates_without_programs_and_paths_start_no_worker(evaluator: Evaluator) -> None:
    assert await evaluator.evaluate(wrapped({"a": [1, "b"]}), DATA) == {"a": [1, "b"]}
    assert await evaluator.evaluate(wrapped("jq(.)"), DATA) is DATA
    assert await evaluator.evaluate(wrapped("a jq(.list)"), DATA) == "a [1,2]"
    assert not _children()


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        pytest.param(".none", "it gives null; `//` gives a default", id="null"),
        pytest.param(".missing.path", "it gives null; `//` gives a default", id="a missing path"),
        pytest.param("null | .", "it gives null; `//` gives a default", id="null from jq"),
        pytest.param("empty", "it gives no result", id="no result"),
        pytest.param("1, 2", "it gives several results; put them in an array", id="several"),
        pytest.param("repeat(.)", "it gives several results; put them in an array", id="endless"),
        pytest.param(".name + 1", 'string ("…") and number (1) cannot be added', id="a type error"),
        pytest.param(".x.y", 'Cannot index number with string ("y")', id="a path through a number"),
        pytest.param('error("no " + .name)', "no …", id="an error of the program's"),
        pytest.param(".secret | error", "…", id="a secret thrown"),
        pytest.param(".secret | fromjson", None, id="a secret parsed"),
        pytest.param("nope(1)", "jq cannot compile this: nope/1 is not defined"
                     " (column 1 of the program)", id="an unknown function"),
        pytest.param("$nope", "jq cannot compile this: $nope is not defined"
                     " (column 1 of the program)", id="an unknown variable"),
        pytest.param(". |", "jq cannot compile this: it ends too early", id="half a program"),
        pytest.param("halt", "it halts instead of giving a result", id="halt"),
        pytest.param("halt_error", "it halts instead of giving a result", id="halt_error"),
        pytest.param(
            "input", "`input` has nothing to read; programs see their input as `.`", id="input"
        ),
        pytest.param(
            "1e1000",
            "its result is nested too deeply, or holds a number that is too large",
            id="a number that is too large",
        ),
        pytest.param(
            "reduce range(5000) as $i (null; [.])",
            "its result is nested too deeply, or holds a number that is too large",
            id="a result that is nested too deeply",
        ),
    ],
)  # fmt: skip
async def test_a_program_without_one_usable_result_says_why(
    evaluator: Evaluator, source: str, reason: str | None
) -> None:
    message = await failure(evaluator, source)

    assert "hunter2" not in message
    if reason is not None:
        assert message == f"jq({source}) failed: {reason}; its input is {SHAPE}"


async def test_null_is_a_value_where_the_caller_says_so(evaluator: Evaluator) -> None:
    assert await evaluator.evaluate(jq(".none"), DATA, allow_null=True) is None
    assert await evaluator.evaluate(jq("null|."), DATA, allow_null=True) is None
    assert await evaluator.evaluate(wrapped(None), DATA) is None
    with pytest.raises(ExpressionError, match="it gives no result"):
        await evaluator.evaluate(jq("empty"), DATA, allow_null=True)
    with pytest.raises(ExpressionError, match="it gives null"):
        await evaluator.evaluate(wrapped({"a": "jq(.none)"}), DATA, allow_null=True)


async def test_of_several_programs_the_failing_one_is_named(evaluator: Evaluator) -> None:
    with pytest.raises(ExpressionError, match=r"^jq\(\.x \| keys\) failed"):
        await evaluator.evaluate(wrapped(["jq(.x + 1)", "jq(.x | keys)", "jq(.name)"]), DATA)


async def test_data_that_is_no_json_is_the_programs_error(evaluator: Evaluator) -> None:
    assert "its input is no JSON" in await failure(evaluator, ".x + 1", {"x": 2**70})


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        pytest.param("env", {}, id="env"),
        pytest.param("$ENV", {}, id="$ENV"),
        pytest.param("$ENV.PATH", None, id="a variable of the environment"),
        pytest.param("[inputs]", [], id="inputs"),
        pytest.param("debug | .x", 1, id="debug"),
        pytest.param("stderr | .x", 1, id="stderr"),
        pytest.param("input_filename", None, id="input_filename"),
        pytest.param("get_search_list", [], id="get_search_list"),
        pytest.param("0 | localtime | .[3]", 0, id="the time zone"),
    ],
)  # fmt: skip
async def test_there_is_nothing_to_see(
    evaluator: Evaluator, monkeypatch: pytest.MonkeyPatch, source: str, expected: Any
) -> None:
    monkeypatch.setenv("SECRET", "x")
    monkeypatch.setenv("TZ", "Asia/Tokyo")

    assert await evaluator.evaluate(jq(source), DATA, allow_null=True) == expected


@pytest.mark.parametrize(
    "source",
    [
        'import "FILE" as $x; $x',
        'import "data" as $x {search: "FOLDER"}; $x',
        'include "data" {search: "FOLDER"}; .',
        '"FILE" | modulemeta',
        '"./data" | modulemeta',
        "$__prog_args",
        "input_line_number",
    ],
)
async def test_no_file_can_be_read(evaluator: Evaluator, tmp_path: Path, source: str) -> None:
    (tmp_path / "data.json").write_text('"TOP SECRET"')
    (tmp_path / "data.jq").write_text('def secret: "TOP SECRET";')
    text = source.replace("FILE", str(tmp_path / "data")).replace("FOLDER", str(tmp_path))

    assert "TOP SECRET" not in await failure(evaluator, text)


TOO_LONG = "it takes longer than 0.5 s"
TOO_MUCH = "it needs more than 128 MiB of memory"
BOMBS = [
    pytest.param("def f: f; f", 0.5, TOO_LONG, id="a call of itself"),
    pytest.param("until(false; .)", 0.5, TOO_LONG, id="a loop without end"),
    pytest.param("last(range(1e12))", 0.5, TOO_LONG, id="a long count"),
    pytest.param("[range(1e9)]", 60, TOO_MUCH, id="a long array"),
    pytest.param('reduce range(40) as $i ("xx"; . + .)', 60, TOO_MUCH, id="doubling a string"),
    pytest.param('"x" * 1e9', 60, TOO_MUCH, id="repeating a string"),
    pytest.param("def f: [f]; f", 60, TOO_MUCH, id="a deep recursion"),
    pytest.param('"x" * 2e6', 60, "its result is too large (2000004 bytes)", id="a long result"),
]


@pytest.mark.parametrize(("source", "seconds", "reason"), BOMBS)
async def test_a_bomb_ends_with_an_error_and_harms_nobody(
    source: str, seconds: float, reason: str
) -> None:
    limits = Limits(seconds=seconds, memory_bytes=128 * 1024**2, result_bytes=1024**2)
    async with Evaluator(workers=1, limits=limits) as evaluator:
        bomb = asyncio.create_task(failure(evaluator, source))
        await asyncio.sleep(0)
        behind = await evaluator.evaluate(jq(".x + 1"), DATA)

        assert reason in await bomb
        assert behind == 2


async def test_regular_expressions_are_bounded_too(hasty: Evaluator) -> None:
    await failure(hasty, '("a" * 40) + "!" | test("^(a|a)+$")')

    assert await hasty.evaluate(jq(".x + 1"), DATA) == 2


async def test_many_evaluations_at_once_each_get_their_own_value(evaluator: Evaluator) -> None:
    values = await asyncio.gather(*(evaluator.evaluate(jq(".n * 2"), {"n": n}) for n in range(300)))

    assert values == [2 * n for n in range(300)]
    assert len(_children()) <= 2


async def test_large_data_goes_through_whole(evaluator: Evaluator) -> None:
    data = {"rows": [{"i": i, "text": "é" * 100} for i in range(20_000)]}

    assert await evaluator.evaluate(jq(".rows | reverse | reverse"), data) == data["rows"]


async def test_a_cancelled_evaluation_leaves_the_pool_usable(hasty: Evaluator) -> None:
    task = asyncio.create_task(hasty.evaluate(jq("def f: f; f"), DATA))
    await _until(lambda: bool(_children()))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert await hasty.evaluate(jq(".x + 1"), DATA) == 2


async def test_a_worker_that_was_killed_while_idle_is_replaced(hasty: Evaluator) -> None:
    await hasty.evaluate(jq(".x + 1"), DATA)
    (pid,) = _children()
    os.kill(pid, 9)
    await _until(lambda: not any(it.is_alive for it in hasty._pools[Language.JQ]._idle))

    assert await hasty.evaluate(jq(".x + 2"), DATA) == 3


async def test_a_worker_is_kept_however_large_its_parent_is(hasty: Evaluator) -> None:
    ballast = bytearray(b"x") * (200 * 1024**2)
    await hasty.evaluate(jq(".x + 1"), DATA)
    before = _children()
    del ballast
    await hasty.evaluate(jq(".x + 2"), DATA)

    assert len(before) == 1
    assert _children() == before


async def test_a_worker_that_holds_a_quarter_of_its_limit_is_replaced() -> None:
    limits = Limits(memory_bytes=56 * 1024**2)  # Python alone holds more than 14 MiB
    async with Evaluator(workers=1, limits=limits) as evaluator:
        await evaluator.evaluate(jq(".x + 1"), DATA)
        await _until(lambda: not _children())

        assert await evaluator.evaluate(jq(".x + 2"), DATA) == 3


async def test_closing_ends_all_workers() -> None:
    evaluator = Evaluator(workers=2)
    await asyncio.gather(*(evaluator.evaluate(jq(".x + 1"), DATA) for _ in range(4)))
    running = asyncio.create_task(evaluator.evaluate(jq("def f: f; f"), DATA))
    await _until(lambda: len(evaluator._pools[Language.JQ]._idle) == 1)

    await evaluator.close()

    assert not _children()
    with pytest.raises(VarflowError, match="closed"):
        await running
    with pytest.raises(VarflowError, match="closed"):
        await evaluator.evaluate(jq(".x + 1"), DATA)


async def test_workers_end_with_a_parent_that_was_killed(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(
        "import asyncio\n"
        "from varflow.language.evaluating import Evaluator\n"
        "from varflow.language.expressions import Language, Program\n"
        "async def main():\n"
        "    evaluator = Evaluator(workers=1)\n"
        "    await evaluator.evaluate(Program(Language.JQ, '1 + 1'), None)\n"
        "    print('ready', flush=True)\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    parent = await asyncio.create_subprocess_exec(
        sys.executable, str(script), stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    assert await parent.stdout.readline() == b"ready\n"
    workers = _children(parent.pid)

    parent.kill()
    await parent.communicate()

    assert len(workers) == 1
    await _until(lambda: not _is_running(workers[0]))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(max_size=3),
    lambda inner: (
        st.dictionaries(st.sampled_from("abc"), inner, max_size=3) | st.lists(inner, max_size=2)
    ),
    max_leaves=8,
)


def test_a_shortcut_gives_what_jq_gives() -> None:
    async def compare() -> None:
        async with Evaluator(workers=1) as evaluator:
            for data, source in examples:
                try:
                    short = shortcuts.follow(Program(Language.JQ, source), data)
                except shortcuts.NoShortcutError:
                    continue
                long = await evaluator.evaluate(jq(f"{source} | ."), data, allow_null=True)
                assert short == long

    examples: list[tuple[Any, str]] = []

    @given(JSON, st.lists(st.sampled_from("abc"), max_size=3))
    def collect(data: Any, keys: list[str]) -> None:
        examples.append((data, "".join(f".{key}" for key in keys) or "."))

    collect()
    asyncio.run(compare())


def _children(parent: int | None = None) -> list[int]:
    """Return the workers of a process."""
    parent = parent or os.getpid()
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
            line = (path.parent / "cmdline").read_bytes()
        except OSError:
            continue
        if int(fields[1]) == parent and fields[0] != "Z" and b"worker.py" in line:
            found.append(int(path.parent.name))
    return found


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while True:
            if condition():
                return
            await asyncio.sleep(0.01)
