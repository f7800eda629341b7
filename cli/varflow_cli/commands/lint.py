"""`varflow lint`: what is wrong in workflow files, without running them."""

from __future__ import annotations

from pathlib import Path

import click

from varflow_cli.console import failures, options, streams


@click.command("lint", epilog="Exit codes: 0 all files are valid, 2 they are not.")
@options.files
@click.option("--strict", "is_strict", is_flag=True, help="Let warnings fail, too.")
@options.expressions
@options.as_json
@options.debug
@click.pass_context
def command(
    context: click.Context,
    /,
    *,
    files: tuple[Path, ...],
    expressions: str | None,
    is_json: bool,
    is_strict: bool,
) -> None:
    """Check FILE... and print every problem as file:line: field: what is wrong.

    A folder stands for the YAML files in it. For valid files it says how their expressions are
    read, and why. A subflow that none of the files defines is a warning.
    """
    from varflow_cli import linting

    report = linting.lint(files, expressions=expressions)
    with streams.printing():
        click.echo(report.as_json() if is_json else report.as_text(), nl=False)
    is_accepted = report.is_valid and not (is_strict and report.warnings)
    context.exit(0 if is_accepted else failures.MISTAKEN)
