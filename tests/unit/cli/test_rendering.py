"""What a run prints: progress for people, one object for programs, no secrets for anybody."""

from __future__ import annotations

import io
import json
import os
import pwd
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from varflow.engine.messages import Finish, InstanceStatus
from varflow.errors import ExpressionError
from varflow_cli.console import progress, streams
from varflow_cli.console.failures import Failure, Mistake
from varflow_cli.console.progress import PlainWriter, Progress
from varflow_cli.local import lines, secrets
from varflow_cli.local.lines import LineCutter
from varflow_cli.local.secrets import Secrets
from varflow_cli.runs.results import Result
from varflow_cli.stores import storing


def shown(stream: io.StringIO) -> list[str]:
    return stream.getvalue().splitlines()


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


# Progress


def test_states_carry_the_time_since_the_start(stream: io.StringIO) -> None:
    Progress(PlainWriter(stream)).enter("greet")

    assert re.fullmatch(r" +\d\.\d{3} → greet\n", stream.getvalue())


def test_every_line_of_a_text_has_the_prefix(stream: io.StringIO) -> None:
    Progress(PlainWriter(stream)).log("one\ntwo", source="state")

    assert shown(stream) == ["state    │ one", "state    │ two"]


def test_a_program_cannot_steer_the_terminal(stream: io.StringIO) -> None:
    Progress(PlainWriter(stream)).show_output("f", "a\x1b[2Jb\tc\r")

    assert shown(stream) == ["f        │ a\\x1b[2Jb\tc\\x0d"]


def test_no_key_turns_the_direction_of_writing() -> None:
    assert streams.visible("a\u202egpj.exe") == "a\\u202egpj.exe"


def test_secrets_are_masked_everywhere(stream: io.StringIO) -> None:
    view = Progress(PlainWriter(stream), mask=Secrets({"k": "hidden", "l": "a\nlonger"}).mask)
    view.log("it is hidden")
    view.show_output("hidden", "longer")
    view.finish("failed", error="hidden")

    assert "hidden" not in stream.getvalue()
    assert "longer" not in stream.getvalue()


def test_a_reader_that_went_away_does_not_end_the_run() -> None:
    class Broken(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    Progress(PlainWriter(Broken())).note("text")


@pytest.mark.parametrize("environ", [{}, {"NO_COLOR": "1"}], ids=["a pipe", "NO_COLOR"])
def test_colours_are_for_terminals(stream: io.StringIO, environ: dict[str, str]) -> None:
    assert isinstance(progress.choose_writer(stream, environ), PlainWriter)


# Lines


@given(st.lists(st.binary(max_size=30)))
def test_lines_do_not_depend_on_chunks(chunks: list[bytes]) -> None:
    whole = b"".join(chunks)
    cutter = LineCutter()
    got = [line for chunk in chunks for line in cutter.feed(chunk)] + list(cutter.finish())
    expected = whole.split(b"\n") if whole else []
    if expected and not expected[-1]:
        expected.pop()

    assert got == [line.decode("utf-8", "replace").removesuffix("\r") for line in expected]


def test_a_line_without_end_comes_in_pieces() -> None:
    cutter = LineCutter()
    pieces = list(cutter.feed(b"x" * (2 * lines.MAX_BYTES + 5)))

    assert [len(piece) for piece in pieces] == [lines.MAX_BYTES] * 2
    assert list(cutter.finish()) == ["x" * 5]


# Results


def test_a_complete_instance_has_no_error() -> None:
    finish = Finish(status=InstanceStatus.COMPLETE, output={"a": 2**70})
    result = Result.of_finish("id", finish)

    assert result.exit_code == 0
    assert json.loads(result.encode()) == {
        "instance": "id",
        "status": "complete",
        "output": {"a": 2**70},
        "error": None,
    }
    assert b"\n" not in result.encode()


def test_a_mistake_started_no_instance() -> None:
    result = Result.of_failure("id", Mistake("wrong", code="c"))

    assert (result.instance, result.status, result.exit_code) == (None, "failed", 2)
    assert result.error == {"code": "c", "message": "wrong"}


def test_a_failure_of_ours_is_a_crash() -> None:
    result = Result.of_failure("id", Failure("oh", code="internal"))

    assert (result.instance, result.status, result.exit_code) == ("id", "crashed", 1)


# Secrets


def test_secrets_are_given_by_value_or_by_environment() -> None:
    assert secrets.parse(["a=1=2", "B"], {"B": "x"}) == {"a": "1=2", "B": "x"}


@pytest.mark.parametrize("option", ["=x", "missing"])
def test_a_secret_without_name_or_value_is_refused(option: str) -> None:
    with pytest.raises(Mistake, match="--secret"):
        secrets.parse([option], {})


def test_only_named_secrets_are_added() -> None:
    held = Secrets({"a": "1", "b": "2"})

    assert held.add_to({"x": 1}, ["a"]) == {"x": 1, "secrets": {"a": "1"}}
    assert held.add_to({"x": 1}, []) == {"x": 1}
    with pytest.raises(ExpressionError, match="'c' was not given") as raised:
        held.add_to({}, ["c"])
    assert raised.value.code == "direktiv.secrets.notFound"


def test_secrets_do_not_show_themselves() -> None:
    assert "hidden" not in repr(Secrets({"a": "hidden"}))


# The default store


@pytest.mark.parametrize(
    ("environ", "platform", "folder"),
    [
        ({"HOME": "/h"}, "linux", "/h/.local/share/varflow/store"),
        ({"HOME": "/h", "XDG_DATA_HOME": "/d"}, "linux", "/d/varflow/store"),
        ({"HOME": "/h", "XDG_DATA_HOME": "d"}, "linux", "/h/.local/share/varflow/store"),
        ({"HOME": "/h"}, "darwin", "/h/Library/Application Support/varflow/store"),
        ({"HOME": "h", "XDG_DATA_HOME": "/d"}, "linux", "/d/varflow/store"),
    ],
    ids=["home", "xdg", "a relative xdg is ignored", "macOS", "xdg needs no home"],
)
def test_the_default_store_is_where_the_platform_keeps_data(
    environ: dict[str, str], platform: str, folder: str
) -> None:
    assert storing.default_folder(environ, platform=platform) == Path(folder)


def test_without_home_the_default_store_is_in_the_home_that_the_system_knows() -> None:
    known = Path(pwd.getpwuid(os.getuid()).pw_dir)

    for environ in ({}, {"HOME": ""}):
        folder = storing.default_folder(environ, platform="linux")
        assert folder == known / ".local/share/varflow/store"


def test_a_home_that_is_no_folder_is_refused() -> None:
    with pytest.raises(Mistake, match=r"HOME names no folder.*give --store"):
        storing.default_folder({"HOME": "relative"}, platform="linux")
