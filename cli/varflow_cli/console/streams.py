"""The standard streams as callers leave them: closed, full, or with nobody at the other end.

Results are what a command is for, so where standard output cannot take them the command fails.
What is told on standard error is only told: nothing fails because nobody can hear it.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Final, TextIO

import click

_CLOSED: Final = (
    ("stdin", "r", os.O_WRONLY),
    ("stdout", "w", os.O_RDONLY),
    ("stderr", "w", os.O_WRONLY),
)
"""Each stream with its mode in Python, and with that of the descriptor when it was closed.

The first two cannot be used then, which is an error where they are needed: an empty value must not
overwrite a variable because there was nothing to read. Standard error may say what it wants.
"""


_STEERING: Final = (*range(0x20), 0x7F, *range(0x80, 0xA0))
_TURNING: Final = (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
"""Those that turn the direction of writing, so that a line reads as another one."""
_CONTROLS: Final = {code: f"\\x{code:02x}" for code in _STEERING if code != 0x09} | {
    code: f"\\u{code:04x}" for code in _TURNING
}
"""Control characters as text: what a program prints must not steer the user's terminal."""


def open_closed() -> None:
    """Give every closed standard stream a descriptor, before another file gets its number."""
    for number, (name, mode, flags) in enumerate(_CLOSED):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, flags)  # the lowest number that is free: this one
            setattr(sys, name, open(number, mode, closefd=False))  # noqa: SIM115 - as long as we are


def settle() -> None:
    """Flush standard error, so that Python's last flush does not change the exit code."""
    try:
        sys.stderr.flush()
    except OSError:
        _abandon(sys.stderr)


def tell(text: str, *, file: IO[Any] | None = None) -> None:
    """Print a line on standard error, or in `file`, if that can be."""
    with contextlib.suppress(OSError):
        click.echo(text, file=file, err=file is None)


def warn(text: str) -> None:
    """Print a warning on standard error, if that can be."""
    tell(f"varflow: warning: {text}")


@contextlib.contextmanager
def printing() -> Iterator[None]:
    """Print on standard output.

    Raises:
        BrokenPipeError: nobody reads it any more.
        OSError: it cannot be written; names it.
    """
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        _abandon(sys.stdout)
        raise OSError(error.errno, error.strerror, "standard output") from error


@contextlib.contextmanager
def naming(file: Path) -> Iterator[None]:
    """Write a file.

    Raises:
        OSError: it cannot be written; names it, as a write to an open file does not.
    """
    try:
        yield
    except OSError as error:
        if error.filename is None:
            raise OSError(error.errno, error.strerror, str(file)) from error
        raise


def printable(text: str) -> str:
    """Return text with what UTF-8 cannot hold escaped: names of files are bytes."""
    return text.encode("utf-8", "backslashreplace").decode()


def visible(text: str) -> str:
    """Return a line with its control characters shown rather than obeyed."""
    return text.translate(_CONTROLS)


def _abandon(stream: TextIO) -> None:
    """Have what is still buffered go nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
