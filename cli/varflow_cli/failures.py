"""How a command ends when it fails: an exit code, and what is printed on standard error.

Two kinds: the caller's (2: the command line or a file is wrong, nothing was started) and everything
else (1). `translate` is the one place where other exceptions become one of them, so no command
handles errors to print them, and none prints a traceback.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import IO, Any

import click

from varflow_cli import streams

FAILED = 1
MISTAKEN = 2


class Failure(click.ClickException):
    """The command could not do what it was asked to."""

    exit_code = FAILED

    def __init__(self, message: str, *, code: str = "") -> None:
        super().__init__(streams.printable(message))
        self.code = code
        """Stable, for programs; as in `varflow.errors`."""

    def show(self, file: IO[Any] | None = None) -> None:
        suffix = f" [{self.code}]" if self.code else ""
        streams.tell(f"varflow: {self.message}{suffix}", file=file)


class Mistake(Failure):
    """What the caller gave cannot be used; nothing was started."""

    exit_code = MISTAKEN


class InvalidFiles(Mistake):
    """Files that are no valid workflows: lines `file:line: field: what is wrong`."""

    def show(self, file: IO[Any] | None = None) -> None:
        streams.tell(self.message, file=file)


def translate(error: Exception, *, mask: Callable[[str], str] = str) -> Failure:
    """Return what to show for an exception that left a command; `mask` hides secrets."""
    failure = _failure_of(error)
    return type(failure)(mask(failure.message), code=failure.code)


def _failure_of(error: Exception) -> Failure:
    from varflow import errors  # not before something failed: see `__main__`

    if isinstance(error, Failure):
        return error
    if isinstance(error, errors.InvalidWorkflowFile):
        return InvalidFiles(error.message, code=error.code)
    if isinstance(error, errors.InvalidInput):
        return Mistake(error.message, code=error.code)
    if isinstance(error, errors.VarflowError):
        return Failure(error.message, code=error.code)
    if isinstance(error, OSError) and error.strerror:
        place = f"{error.filename}: " if error.filename else ""
        return Failure(f"{place}{error.strerror}", code="system")
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return Failure(f"internal error: {text} (run again with --debug to see where)", code="internal")
