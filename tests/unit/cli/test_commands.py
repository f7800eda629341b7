"""What the commands share: help, exit codes, and errors in one line."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from varflow.errors import InvalidKey, InvalidWorkflowFile, Problem, StoreFull
from varflow_cli import __main__
from varflow_cli.__main__ import COMMANDS, varflow
from varflow_cli.commands import run
from varflow_cli.console import failures


def leaves(command: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    if not isinstance(command, click.Group):
        yield name, command
        return
    context = click.Context(command)
    for sub in command.list_commands(context):
        found = command.get_command(context, sub)
        assert found is not None
        yield from leaves(found, f"{name} {sub}")


def test_help_loads_nothing_but_click_and_the_standard_library() -> None:
    program = (
        "import sys; before = set(sys.modules); from varflow_cli.__main__ import varflow;"
        "varflow(['--help'], standalone_mode=False);"
        "print(*(set(sys.modules) - before), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)

    roots = {name.partition(".")[0] for name in done.stderr.decode().split()}
    assert roots - sys.stdlib_module_names <= {"click", "varflow_cli"}


@pytest.mark.parametrize("name", COMMANDS)
def test_help_lists_each_command_as_it_describes_itself(name: str) -> None:
    command = varflow.get_command(click.Context(varflow), name)

    assert command is not None
    assert command.help


@pytest.mark.parametrize(("name", "command"), [*leaves(varflow, "varflow")])
def test_every_command_has_debug_and_says_what_it_does(name: str, command: click.Command) -> None:
    assert command.help
    assert any(parameter.name == "debug" for parameter in command.params)


def test_an_unknown_command_is_told_with_those_that_exist() -> None:
    result = CliRunner().invoke(varflow, ["rum"])

    assert result.exit_code == 2
    assert "no command 'rum'; there are run, lint" in result.output


@pytest.mark.parametrize(
    ("error", "exit_code", "text"),
    [
        (InvalidKey("key 'a/b' is wrong"), 2, "varflow: key 'a/b' is wrong [invalid_key]\n"),
        (StoreFull("no room"), 1, "varflow: no room [store_full]\n"),
        (
            InvalidWorkflowFile([Problem("f.yaml", "is wrong", 3, 1, "states")]),
            2,
            "f.yaml:3: states: is wrong\n",
        ),
        (
            ZeroDivisionError("oh"),
            1,
            (
                "varflow: internal error: ZeroDivisionError: oh"
                " (run again with --debug to see where) [internal]\n"
            ),
        ),
    ],
    ids=["the caller's", "the store's", "a file's", "ours"],
)
def test_an_error_is_shown_in_one_line(
    error: Exception, exit_code: int, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    failure = failures.translate(error)
    failure.show()

    assert failure.exit_code == exit_code
    assert capsys.readouterr().err == text


def test_secrets_do_not_show_in_errors() -> None:
    failure = failures.translate(
        ValueError("pass1234"), mask=lambda text: text.replace("1234", "*")
    )

    assert "1234" not in failure.message


@pytest.mark.parametrize(("given", "is_shown"), [([], False), (["--debug"], True)])
def test_tracebacks_are_for_debug(
    given: list[str], is_shown: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    @click.command()
    def broken() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(__main__.Commands, "get_command", lambda *_: broken)

    result = CliRunner().invoke(varflow, [*given, "run"])

    assert result.exit_code == 1
    assert ("Traceback" in result.stderr) is is_shown


def test_a_file_whose_name_is_no_text_is_told_in_text() -> None:
    failure = failures.Mistake("bad\udcff.yaml is wrong")

    assert failure.message == "bad\\udcff.yaml is wrong"


def test_a_timeout_that_is_no_number_is_refused() -> None:
    result = CliRunner().invoke(varflow, ["run", "flow.yaml", "--timeout", "nan"])

    assert result.exit_code == 2
    assert "'nan' is no number of seconds" in result.output


def test_an_interrupt_while_modules_are_loaded_is_kept_for_afterwards() -> None:
    with run.interrupts_put_off() as came:
        signal.raise_signal(signal.SIGINT)

    assert came == [signal.SIGINT]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
