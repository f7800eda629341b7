"""`varflow`: the entry point, and what all commands share.

    varflow ──► Commands (this module) ──► commands.<name> (options) ──► local, cluster (work)

`varflow --help` answers within 150 ms (design.md §9), so nothing but click and the standard library
is loaded before a command has been chosen, and a command's own module loads what it works with
inside the function that does the work: `varflow run --help` is quick too. The line that `--help`
shows for a command stands here and not in its module for the same reason.

Exit codes: 0 done, 1 it failed, others say why (see `failures`). Errors are one line on standard
error (a file's problems one line each); tracebacks are for `--debug`.
"""

from __future__ import annotations

import importlib
import traceback
from typing import Any, Final

import click

from varflow_cli.console import failures, options, streams

COMMANDS: Final = {
    "run": "Run one instance of a workflow, here or in a cluster.",
    "lint": "Check workflow files without running them.",
    "instances": "List, watch and cancel the runs in a cluster, and read their logs.",
    "var": "List, read, write, copy and remove variables, whole scopes too.",
    "store": "Look at a store as a whole: its promises, its faults, and what it is encrypted with.",
    "keys": "List and change the encryption keys of a namespace in a cluster.",
    "workflow": "End the life of a workflow's variables.",
    "namespace": "End the life of a namespace's variables.",
}
"""Each command's line in `varflow --help`, in its order."""


class Commands(click.Group):
    """The commands, each loaded when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(f"varflow_cli.commands.{cmd_name}").command
        if not isinstance(command, click.Command):
            raise TypeError(f"varflow_cli.commands.{cmd_name}.command is no command")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            ctx.fail(f"no command {args[0]!r}; there are {', '.join(COMMANDS)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command and turn whatever it raises into a message and an exit code."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except BrokenPipeError:
            raise  # nobody reads what we print, such as `| head`; click ends quietly
        except Exception as error:
            if options.is_debugging(ctx):
                streams.tell(traceback.format_exc())
            raise failures.translate(error) from error


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="varflow", message="%(prog)s %(version)s")
@options.debug
def varflow() -> None:
    """Workflows with persistent variables.

    Start with `varflow run FILE`; it needs no cluster.
    """


def main() -> None:
    """Run the command line and exit."""
    streams.open_closed()
    try:
        varflow(prog_name="varflow")
    finally:
        streams.settle()


if __name__ == "__main__":
    main()
