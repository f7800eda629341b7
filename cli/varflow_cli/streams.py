"""The standard streams as callers leave them: closed, full, or with nobody at the other end.

Results are what a command is for, so where standard output cannot take them the command fails.
What is told on standard error is only told: nothing fails because nobody can hear it.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Final

import click

from varflow_cli.failures import Failure

_CLOSED: Final = (
    ("stdin", "r", os.O_WRONLY),
    ("stdout", "w", os.O_RDONLY),
    ("stderr", "w", os.O_WRONLY),
)
"""Each stream with its mode in Python, and with that of the descriptor when it was closed.

The first two cannot be used then, which is an error where they are needed: an empty value must not
overwrite a variable because there was nothing to read. Standard error may say what it wants.
"""


def open_closed() -> None:
    """Give every closed standard stream a descriptor, before another file gets its number."""
    for number, (name, mode, flags) in enumerate(_CLOSED):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, flags)  # the lowest number that is free: this one
            setattr(sys, name, open(number, mode, closefd=False))  # noqa: SIM115 - as long as we are


def settle() -> None:
    """Have Python's own last flush of a broken standard error not decide over the exit code."""
    try:
        sys.stderr.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


def tell(text: str) -> None:
    """Print a line on standard error, if that can be."""
    with contextlib.suppress(OSError):
        click.echo(text, err=True)


@contextlib.contextmanager
def printing() -> Iterator[None]:
    """Print on standard output.

    Raises:
        Failure: it cannot be written.
        BrokenPipeError: nobody reads it any more.
    """
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for Python's last flush
        raise Failure(
            f"standard output cannot be written: {error.strerror}", code="system"
        ) from error
